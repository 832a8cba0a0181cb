// What an increment reads, collected before its first page: the temporary table `changes` has each profile with its
// status, and `d` where it is a duplicate. What that means is said at ExportQuery.
import type pg from 'pg'
import type { ExportQuery } from './capabilities.ts'
import { duplicateKey } from './postgres-export-key.ts'

/** Fills the table. */
export async function collectChanges(client: pg.Client, query: ExportQuery): Promise<void> {
  const { version, since, refusedIn } = query
  // Without a column that says so, the row of somebody who left would be taken for one of a member.
  const tellsExits = query.paths.includes(null)
  const run = (text: string, ...values: unknown[]) => client.query(text, values)
  await run('drop table if exists changes')
  await run(
    "create temp table changes (profile_id bigint primary key, status text not null, mark text not null default '')",
  )
  if (refusedIn !== null) await run(REFUSED, version, since, tellsExits, refusedIn)
  else {
    await run(ENTERED, version, since)
    if (tellsExits) await run(LEFT, version, since)
  }
  if (query.deduplicateBy.length === 0) return
  const { keys, mayLeave } = duplicateKey(query)
  const names = keys.map((_, index) => `key_${index}`)
  await run(
    `insert into changes (profile_id, status, mark)
      with compared as (
        select m.id, is_now, was_before, ${keys.map((value, index) => `${value} as ${names[index]}`).join(', ')}
        from (${refusedIn === null ? MEMBERS_OF_EITHER : COLLECTED}) m join profiles p on p.id = m.id
        where ${mayLeave}
      ), placed as (
        select id, is_now, was_before,
          row_number() over (partition by ${names.join(', ')} order by is_now desc, id) as place,
          row_number() over (partition by ${names.join(', ')} order by was_before desc, id) as place_before
        from compared
      )
      select id, case when is_now then 'realized' else 'exited' end, case when place > 1 then 'd' else '' end
      from placed
      where case when is_now and was_before then place = 1 and place_before > 1
        else place > 1 and (is_now or $1::boolean) end
      on conflict (profile_id) do update set mark = excluded.mark`,
    tellsExits,
    ...(refusedIn === null ? [version, since] : []),
  )
}

const isIn = (version: string, id: string): string =>
  `exists (select from members o where o.version = ${version} and o.profile_id = ${id})`

const ENTERED = `insert into changes (profile_id, status)
  select m.profile_id, 'realized' from members m where m.version = $1 and not ${isIn('$2', 'm.profile_id')}`
const LEFT = `insert into changes (profile_id, status)
  select m.profile_id, 'exited' from members m where m.version = $2 and not ${isIn('$1', 'm.profile_id')}`
const REFUSED = `insert into changes (profile_id, status)
  select r.profile_id, case when ${isIn('$1', 'r.profile_id')} then 'realized' else 'exited' end from rejections r
  where r.run_id = $4 and r.reason = 'REFUSED_BY_DESTINATION'
    and (${isIn('$1', 'r.profile_id')} or $3::boolean and ${isIn('$2', 'r.profile_id')})`

const MEMBERS_OF_EITHER = `
  select m.profile_id as id, true as is_now, ${isIn('$3', 'm.profile_id')} as was_before
  from members m where m.version = $2
  union all
  select m.profile_id, false, true from members m where m.version = $3 and not ${isIn('$2', 'm.profile_id')}`
/** Each is compared as one that came or went, whatever it was. */
const COLLECTED =
  "select profile_id as id, status = 'realized' as is_now, status = 'exited' as was_before from changes"
