// What an export thread reads from PostgreSQL: pages in the order of profile ids, the next one asked for while the one
// before is worked on.
import pg from 'pg'
import type { ExportPage, ExportQuery, ExportReader } from './capabilities.ts'
import { translated } from './postgres-errors.ts'
import { collectChanges } from './postgres-export-changes.ts'
import { attributeAt, binder, duplicateKey } from './postgres-export-key.ts'
import { ask, clientConfig, LOOK_UPS } from './postgres-pool.ts'

/** Finding duplicates reads every member. */
const TIMEOUT_MS = 60 * 60_000

/** Reads over a connection of its own. */
export function postgresExportReader(url: string, query: ExportQuery): ExportReader {
  const client = new pg.Client(clientConfig(url, TIMEOUT_MS))
  client.on('error', () => {}) // the page that is under way fails
  const hasDuplicates = query.deduplicateBy.length > 0 && query.sent === null
  const pageOf = pageStatement(query, hasDuplicates)
  let ahead: { after: number; limit: number; page: Promise<ExportPage | null> } | undefined

  const read = async (after: number, limit: number): Promise<ExportPage | null> => {
    const { rows } = await ask(client, { ...pageOf(after, limit), isPrepared: true })
    const [count, lastProfileId, lines] = rows[0] ?? []
    if (typeof lines !== 'string') return null
    return { rows: Number(count), lastProfileId: Number(lastProfileId), lines: Buffer.from(lines) }
  }
  const readAhead = (after: number, limit: number) => {
    const page = read(after, limit)
    page.catch(() => {}) // told when the page is asked for
    ahead = { after, limit, page }
    return page
  }

  return {
    async prepare() {
      try {
        await client.connect()
        if (query.since !== null) await collectChanges(client, query)
        else if (hasDuplicates) await findDuplicates(client, query)
        await client.query(`${LOOK_UPS}; set enable_sort = off`) // a page is the next of an index
      } catch (error) {
        throw translated(error)
      }
    },
    async page(afterProfileId, limit) {
      const isRead = ahead?.after === afterProfileId && ahead.limit === limit
      try {
        const page = await (isRead ? ahead?.page : readAhead(afterProfileId, limit))
        if (page) readAhead(page.lastProfileId, limit)
        return page ?? null
      } catch (error) {
        throw translated(error)
      }
    },
    async close() {
      await client.end().catch(() => {})
    },
  }
}

const MARK =
  "case when exists (select from duplicates d where d.profile_id = m.profile_id) then 'd' else '' end"

function pageStatement(query: ExportQuery, hasDuplicates: boolean) {
  const isIncrement = query.since !== null
  const status = isIncrement ? `'"' || m.status || '"'` : `'"realized"'`
  const columns = [...query.paths, ...(query.consent === null ? [] : [query.consent])]
  const cells = columns.map((path) =>
    path === null ? status : `coalesce(${attributeAt(path)}::text, 'null')`,
  )
  const mark = hasDuplicates ? `${isIncrement ? 'm.mark' : MARK} ||` : ''
  const line = `m.profile_id || ${mark} '[' || ${cells.join(" || ',' || ")} || E']\\n'`
  return (after: number, limit: number) => {
    const { values, bind } = binder()
    const members = isIncrement ? changesOf(query, bind) : membersOf(query, bind)
    const sql = `
      select count(*), max(id), string_agg(line, '' order by id) from (
        select m.profile_id as id, ${line} as line
        from ${members.from} where ${members.where} and ${members.id} > ${bind(after)}
        order by ${members.id} limit ${bind(limit)}) as page`
    return { sql, params: values }
  }
}

type Bind = (value: unknown) => string

/** The same as `membersOf`, of an increment whose changes are collected. */
function changesOf({ sent }: ExportQuery, bind: Bind) {
  const from = 'changes m join profiles p on p.id = m.profile_id'
  return { from, where: sent ? wasSent(sent, bind) : 'true', id: 'm.profile_id' }
}

/** The tables that an export reads, `m` the members and `p` their profiles. */
function membersOf({ version, refusedIn, sent }: ExportQuery, bind: Bind) {
  const from = 'members m join profiles p on p.id = m.profile_id'
  const where = `m.version = ${bind(version)}${sent ? ` and ${wasSent(sent, bind)}` : ''}`
  if (refusedIn === null) return { from, where, id: 'm.profile_id' }
  return {
    from: `rejections r join members m on m.profile_id = r.profile_id join profiles p on p.id = m.profile_id`,
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
      from ${members.from} where ${members.where} and ${mayLeave}) as placed
    where place > 1`,
    values,
  )
}
