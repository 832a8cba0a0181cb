// What an export thread reads from PostgreSQL: pages in the order of profile ids, the next ones read while the one
// before is worked on.
import { buffer } from 'node:stream/consumers'
import pg from 'pg'
import { to as copyTo } from 'pg-copy-streams'
import type { ExportPage, ExportQuery, ExportReader } from './capabilities.ts'
import { translated } from './postgres-errors.ts'
import { collectChanges } from './postgres-export-changes.ts'
import { attributeAt, binder, duplicateKey, literal, textAt } from './postgres-export-key.ts'
import { linesOfCopy } from './postgres-export-lines.ts'
import { ask, clientConfig, LOOK_UPS, type Statement } from './postgres-pool.ts'

/** Finding duplicates reads every member. */
const TIMEOUT_MS = 60 * 60_000

/** PostgreSQL takes values out of profiles on one core a connection, more slowly than rows are encoded. */
const CONNECTIONS = 2

/** Reads over connections of its own. */
export function postgresExportReader(url: string, query: ExportQuery): ExportReader {
  const hasDuplicates = query.deduplicateBy.length > 0 && query.sent === null
  // What is collected before the first page is on one connection.
  const isCollected = query.since !== null || hasDuplicates
  const clients = Array.from({ length: isCollected ? 1 : CONNECTIONS }, () => {
    const client = new pg.Client(clientConfig(url, TIMEOUT_MS))
    client.on('error', () => {}) // the page that is under way fails
    return client
  })
  const [first] = clients as [pg.Client]
  const statements = pageStatements(query, hasDuplicates)
  /** The lines of a page whose first columns come as texts, or null where a text does not tell its value. */
  const linesOf = async (client: pg.Client, [after, end]: [number, number], texts: number) => {
    const copy = copyTo(`copy (${statements.page(after, end, texts)}) to stdout`)
    return linesOfCopy(await buffer(client.query(copy)), texts)
  }
  let texts = query.asText ? query.paths.length : 0

  const nextPage = pagesAhead(clients.length + 1, {
    async endOf(after, limit) {
      const { rows } = await ask(first, { ...statements.end(after, limit), isPrepared: true })
      const end = rows[0]?.[0]
      return typeof end === 'number' ? end : null
    },
    async read(after, end, place) {
      const client = clients[place % clients.length] ?? first
      const lines = await linesOf(client, [after, end], texts)
      if (lines) return lines
      texts = 0 // one such value is rarely the only one
      return (await linesOf(client, [after, end], 0)) as ExportPage
    },
  })

  return {
    async prepare() {
      try {
        await Promise.all(clients.map((client) => client.connect()))
        if (query.since !== null) await collectChanges(first, query)
        else if (hasDuplicates) await findDuplicates(first, query)
        // A page is the next of an index, and all are planned alike.
        const settings = `${LOOK_UPS}; set enable_sort = off; set plan_cache_mode = force_generic_plan`
        await Promise.all(clients.map((client) => client.query(settings)))
      } catch (error) {
        throw translated(error)
      }
    },
    async page(afterProfileId, limit) {
      try {
        return await nextPage(afterProfileId, limit)
      } catch (error) {
        throw translated(error)
      }
    },
    async close() {
      await Promise.all(clients.map((client) => client.end().catch(() => {})))
    },
  }
}

const MARK = "case when exists (select from duplicates d where d.profile_id = p.id) then 'd' else '' end"

/** Reads pages one after the other and hands them on in their order; `count` of them are under way or waiting. */
function pagesAhead(
  count: number,
  of: {
    /** The last id of the page that follows an id, or null at the end. */
    endOf(after: number, limit: number): Promise<number | null>
    read(after: number, end: number, place: number): Promise<ExportPage>
  },
) {
  let ahead: Promise<ExportPage | null>[] = []
  let end: Promise<number | null>
  let place = 0
  /** What is ahead follows this. */
  let goesOn: { after: number; limit: number } | null = null

  const begin = (limit: number): Promise<ExportPage | null> => {
    const before = end
    const own = place++
    end = before.then((after) => (after === null ? null : of.endOf(after, limit)))
    const page = Promise.all([before, end]).then(([after, upTo]) =>
      after === null || upTo === null ? null : of.read(after, upTo, own),
    )
    page.catch(() => {}) // told when the page is asked for
    return page
  }
  return async (after: number, limit: number): Promise<ExportPage | null> => {
    if (after !== goesOn?.after || limit !== goesOn.limit) {
      ahead = []
      end = Promise.resolve(after)
    }
    goesOn = null // a page that fails is read again, if it is asked for again
    for (;;) {
      while (ahead.length < count) ahead.push(begin(limit))
      const page = (await ahead.shift()) ?? null
      // Profiles may be erased while they are read.
      if (page?.rows === 0) continue
      if (page) goesOn = { after: page.lastProfileId, limit }
      return page
    }
  }
}

/** The statements of a page: its last id, and what is in it. */
function pageStatements(query: ExportQuery, hasDuplicates: boolean) {
  const { paths, consent } = query
  const isIncrement = query.since !== null
  const mark = isIncrement ? 'm.mark' : MARK
  const id = hasDuplicates ? `p.id || ${mark}` : 'p.id'
  const status = isIncrement ? 'm.status' : "'realized'"
  const asText = (path: string | null) => (path === null ? status : textAt(path))
  const asJson = (path: string | null) => (path === null ? `to_jsonb(${status}::text)` : attributeAt(path))
  const profiles = isIncrement ? 'profiles p join changes m on m.profile_id = p.id' : 'profiles p'
  const tables = isIncrement ? changesOf : membersOf

  return {
    end(after: number, limit: number): Statement {
      const { values, bind } = binder()
      const { id, from, where } = tables(query, bind)
      const sql = `select max(id) from (
        select ${id} as id from ${from} where ${where} and ${id} > ${bind(after)} order by ${id} limit ${bind(limit)}) as page`
      return { sql, params: values }
    },
    /** For COPY, which binds no values. */
    page(after: number, end: number, texts: number): string {
      const columns = [...paths.slice(0, texts).map(asText), ...paths.slice(texts).map(asJson)]
      if (consent !== null) columns.push(asJson(consent))
      const members = tables(query, literal)
      // Profiles by a list of ids: one walk along their index, where a join would go down it for each of them.
      return `select ${[id, ...columns].join(', ')} from ${profiles}
        where p.id = any(array(
          select ${members.id} from ${members.from}
          where ${members.where} and ${members.id} > ${after} and ${members.id} <= ${end} order by ${members.id}))
        order by p.id`
    },
  }
}

type Bind = (value: unknown) => string

/** The same as `membersOf`, of an increment whose changes are collected. */
function changesOf({ sent }: ExportQuery, bind: Bind) {
  return { from: 'changes m', where: sent ? wasSent(sent, bind) : 'true', id: 'm.profile_id' }
}

/** The tables that tell whom an export reads: `m`, by `m.profile_id`. */
function membersOf({ version, refusedIn, sent }: ExportQuery, bind: Bind) {
  const where = `m.version = ${bind(version)}${sent ? ` and ${wasSent(sent, bind)}` : ''}`
  if (refusedIn === null) return { from: 'members m', where, id: 'm.profile_id' }
  return {
    from: 'rejections r join members m on m.profile_id = r.profile_id',
    where: `r.run_id = ${bind(refusedIn)} and r.reason = 'REFUSED_BY_DESTINATION' and ${where}`,
    id: 'r.profile_id',
  }
}

function wasSent({ upToProfileId, inRun }: NonNullable<ExportQuery['sent']>, bind: Bind): string {
  return `m.profile_id <= ${bind(upToProfileId)}
    and not exists (select from rejections x where x.run_id = ${bind(inRun)} and x.profile_id = m.profile_id)`
}

/** Fills the table `duplicates`: of the profiles that may leave and share all values of the key, every one but the first. */
async function findDuplicates(client: pg.Client, query: ExportQuery): Promise<void> {
  const { keys, mayLeave } = duplicateKey(query)
  const { values, bind } = binder()
  const members = membersOf(query, bind)
  await client.query('drop table if exists duplicates')
  await client.query('create temp table duplicates (profile_id bigint primary key)')
  await client.query(
    `insert into duplicates select id from (
      select m.profile_id as id, row_number() over (partition by ${keys.join(', ')} order by m.profile_id) as place
      from ${members.from} join profiles p on p.id = m.profile_id where ${members.where} and ${mayLeave}) as placed
    where place > 1`,
    values,
  )
}
