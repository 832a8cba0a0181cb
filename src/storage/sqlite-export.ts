// What an export thread reads from SQLite. JSON is extracted in one walk over each profile and handed on as bytes:
// a string per cell would cost more than everything else together.
import BetterSqlite from 'better-sqlite3'
import type { ExportQuery, ExportReader } from './capabilities.ts'
import { collectChanges } from './sqlite-export-changes.ts'
import { duplicateKey } from './sqlite-export-key.ts'
import { sqliteJsonPath } from './sqlite-json-path.ts'

/** Opens a read connection of its own; `file` is the database's path. */
export function sqliteExportReader(file: string, query: ExportQuery): ExportReader {
  const connection = new BetterSqlite(file, { readonly: true, timeout: 5000 })
  connection.pragma('cache_size = -4096')
  connection.pragma('temp_store = FILE') // what is sorted to find duplicates may be larger than memory
  const isIncrement = query.since !== null
  const hasDuplicates = query.deduplicateBy.length > 0 && query.sent === null
  const columns = [...query.paths, ...(query.consent === null ? [] : [query.consent])].map((path) =>
    sqliteJsonPath(path ?? NO_ATTRIBUTE),
  )
  // One path gives a bare value, two or more give an array.
  const paths = columns.length === 1 ? [...columns, ...columns] : columns
  const values = withStatus(query, `json_extract(p.attributes, ${marks(paths.length)})`)
  const members = isIncrement ? changesOf(query) : membersOf(query)
  const pageOf = `
    select count(*), max(id), cast(group_concat(line, '') as blob) from (
      select m.profile_id as id,
        m.profile_id || ${hasDuplicates ? `${isIncrement ? 'm.mark' : MARK} ||` : ''} ${values} || char(10) as line
      from ${members.from} where ${members.where} and ${members.id} > ?
      order by ${members.id} limit ?)`
  let page: BetterSqlite.Statement | undefined

  return {
    async prepare() {
      if (isIncrement) collectChanges(connection, query)
      else if (hasDuplicates) findDuplicates(connection, query)
      page = connection.prepare(pageOf).raw()
    },
    async page(afterProfileId, limit) {
      const row = page?.get(...paths, ...members.values, afterProfileId, limit) as [
        number,
        number | null,
        Buffer | null,
      ]
      const [rows, lastProfileId, lines] = row
      return lastProfileId === null || lines === null ? null : { rows, lastProfileId, lines }
    },
    async close() {
      connection.close()
    },
  }
}

/** No attribute has an empty name. */
const NO_ATTRIBUTE = ''
const MARK =
  "case when exists (select 1 from temp.duplicates d where d.profile_id = m.profile_id) then 'd' else '' end"

/** The values of a line, with the status in its columns. */
function withStatus({ paths, since }: ExportQuery, values: string): string {
  const status = since === null ? "'realized'" : 'm.status'
  const places = paths.flatMap((path, index) => (path === null ? [`'$[${index}]', ${status}`] : []))
  return places.length > 0 ? `json_set(${values}, ${places.join(', ')})` : values
}

/** The same as `membersOf`, of an increment whose changes are collected. */
function changesOf({ sent }: ExportQuery) {
  return {
    from: 'temp.changes m cross join profiles p',
    where: `p.id = m.profile_id${sent ? ` and ${SENT}` : ''}`,
    id: 'm.profile_id',
    values: sent ? [sent.upToProfileId, sent.inRun] : [],
  }
}

/** The tables that an export reads, `m` the members and `p` their profiles, with the values that `where` takes. */
function membersOf({ version, refusedIn, sent }: ExportQuery) {
  // CROSS JOIN keeps the order of the tables: the planner would scan all profiles otherwise.
  const from = 'members m cross join profiles p'
  const where = `p.id = m.profile_id and m.version = ?${sent ? ` and ${SENT}` : ''}`
  const values = [version, ...(sent ? [sent.upToProfileId, sent.inRun] : [])]
  if (refusedIn === null) return { from, where, id: 'm.profile_id', values }
  return {
    from: `rejections r cross join ${from}`,
    where: `r.run_id = ? and r.reason = 'REFUSED_BY_DESTINATION' and m.profile_id = r.profile_id and ${where}`,
    id: 'r.profile_id',
    values: [refusedIn, ...values],
  }
}

const SENT = `m.profile_id <= ?
  and not exists (select 1 from rejections x where x.run_id = ? and x.profile_id = m.profile_id)`

/** Fills temp.duplicates: of the profiles that may leave and share all values of the key, every one but the first. */
function findDuplicates(connection: BetterSqlite.Database, query: ExportQuery): void {
  const { keys, keyPaths, mayLeave, mayLeavePaths } = duplicateKey(query)
  const members = membersOf(query)
  connection.exec('drop table if exists temp.duplicates')
  connection.exec('create table temp.duplicates (profile_id integer primary key)')
  connection
    .prepare(
      `insert into temp.duplicates select id from (
         select m.profile_id as id, row_number() over (partition by ${keys.join(', ')} order by m.profile_id) as place
         from ${members.from} where ${members.where} and ${mayLeave})
       where place > 1`,
    )
    .run(...keyPaths, ...members.values, ...mayLeavePaths)
}

const marks = (count: number): string => Array.from({ length: count }, () => '?').join(', ')
