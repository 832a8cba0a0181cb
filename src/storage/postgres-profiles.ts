// Bulk import: COPY into a table of the connection, from there in two statements into profiles.
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import type { ProfilePatch } from './capabilities.ts'
import type { Query } from './database.ts'
import { inRounds, runAll } from './postgres-batch.ts'
import { ask, inTransaction, LOOK_UPS, withClient } from './postgres-pool.ts'

interface Counts {
  inserted: number
  updated: number
}

/** RFC 7396. */
export const MERGE_PATCH = `
  create or replace function merge_patch(target jsonb, patch jsonb) returns jsonb
  language plpgsql immutable parallel safe as $$
  declare
    merged jsonb := case when jsonb_typeof(target) = 'object' then target else '{}' end;
    name text;
    value jsonb;
  begin
    if jsonb_typeof(patch) <> 'object' then return patch; end if;
    for name, value in select * from jsonb_each(patch) loop
      if value = 'null' then
        merged := merged - name;
      else
        merged := merged || jsonb_build_object(name, merge_patch(merged -> name, value));
      end if;
    end loop;
    return merged;
  end $$`

const STAGE = `create temp table if not exists profile_stage (
  place int not null, key text collate "C" not null, is_flat boolean not null, patch jsonb not null) on commit delete rows`
/** A patch of a new profile that holds no null and no object is what is stored. */
const INSERT = `
  insert into profiles (namespace_id, key, attributes)
  select $1, key, case when is_flat then patch else merge_patch('{}', patch) end from profile_stage
  order by place
  on conflict (namespace_id, key) do nothing`
/** Those that were just inserted stay what they are: a patch that is merged twice changes nothing more. */
const UPDATE = `
  update profiles set attributes =
    case when is_flat then attributes || patch else merge_patch(attributes, patch) end
  from profile_stage as stage where namespace_id = $1 and profiles.key = stage.key`

/** Merges patches by key, in one transaction with the other writes. */
export function postgresProfileUpsert(pool: pg.Pool) {
  const withStage = new WeakSet<pg.ClientBase>()
  return async (
    namespaceId: number,
    patches: readonly ProfilePatch[],
    writes: readonly Query[],
  ): Promise<Counts> =>
    inRounds(() =>
      withClient(pool, async (client) => {
        if (!withStage.has(client)) await client.query(`${STAGE}; ${LOOK_UPS}`)
        withStage.add(client)
        return inTransaction(client, async () => {
          const counts = { inserted: 0, updated: 0 }
          for (const [place, round] of rounds(patches).entries()) {
            if (place > 0) await client.query('truncate profile_stage')
            const { inserted, updated } = await upsertRound(client, namespaceId, round)
            counts.inserted += inserted
            counts.updated += updated
          }
          for (const write of writes) await runAll(client, [write])
          return counts
        })
      }),
    )
}

/** No key comes twice in a round. */
function rounds(patches: readonly ProfilePatch[]): ProfilePatch[][] {
  const all: ProfilePatch[][] = []
  const seen = new Map<string, number>()
  for (const patch of patches) {
    const round = seen.get(patch.key) ?? 0
    seen.set(patch.key, round + 1)
    all[round] ??= []
    all[round].push(patch)
  }
  return all
}

async function upsertRound(
  client: pg.ClientBase,
  namespaceId: number,
  patches: ProfilePatch[],
): Promise<Counts> {
  const params = [namespaceId]
  const copy = client.query(copyFrom('copy profile_stage from stdin'))
  await pipeline(Readable.from(linesOf(patches)), copy)
  const { count: inserted } = await ask(client, { sql: INSERT, params, isPrepared: true })
  if (inserted === patches.length) return { inserted, updated: 0 }
  const { count } = await ask(client, { sql: UPDATE, params, isPrepared: true })
  return { inserted, updated: count - inserted }
}

/** In pieces: PostgreSQL reads the first while the next are made. */
function* linesOf(patches: readonly ProfilePatch[]): Generator<Buffer> {
  for (let from = 0; from < patches.length; from += LINES_AT_ONCE) {
    const some = patches.slice(from, from + LINES_AT_ONCE)
    yield Buffer.from(some.map((patch, index) => lineOf(patch, from + index)).join(''))
  }
}
const LINES_AT_ONCE = 200
const lineOf = ({ key, patch }: ProfilePatch, place: number): string =>
  `${place}\t${escaped(key)}\t${isFlat(patch) ? 't' : 'f'}\t${escaped(patch)}\n`
const isFlat = (patch: string): boolean => !patch.includes('null') && patch.indexOf('{', 1) < 0
/** As COPY reads text. */
export const escaped = (text: string): string =>
  text.replace(/[\\\t\n\r]/g, (char) => ESCAPES[char] as string)
const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }
