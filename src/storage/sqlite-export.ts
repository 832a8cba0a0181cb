// What an export thread reads from SQLite. JSON is extracted in one walk over each profile and handed on as bytes:
// a string per cell would cost more than everything else together.
import BetterSqlite from 'better-sqlite3'
import type { ExportQuery, ExportReader } from './capabilities.ts'
import { sqliteJsonPath } from './sqlite-json-path.ts'

/** Opens a read connection of its own; `file` is the database's path. */
export function sqliteExportReader(file: string, query: ExportQuery): ExportReader {
  const connection = new BetterSqlite(file, { readonly: true, timeout: 5000 })
  connection.pragma('cache_size = -4096')
  connection.pragma('temp_store = FILE') // what is sorted to find duplicates may be larger than memory
  const hasDuplicates = query.deduplicateBy.length > 0
  const columns = [...query.paths, ...(query.consent === null ? [] : [query.consent])].map(sqliteJsonPath)
  // One path gives a bare value, two or more give an array.
  const paths = columns.length === 1 ? [...columns, ...columns] : columns
  const mark = hasDuplicates
    ? "case when exists (select 1 from temp.duplicates d where d.profile_id = m.profile_id) then 'd' else '' end ||"
    : ''
  const members = membersOf(query)
  const pageOf = `
    select count(*), max(id), cast(group_concat(line, '') as blob) from (
      select m.profile_id as id,
        m.profile_id || ${mark} json_extract(p.attributes, ${marks(paths.length)}) || char(10) as line
      from ${members.from} where ${members.where} and ${members.id} > ?
      order by ${members.id} limit ?)`
  let page: BetterSqlite.Statement | undefined

  return {
    async prepare() {
      if (hasDuplicates) findDuplicates(connection, query)
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

/**
 * Fills temp.duplicates: of the profiles that may leave and share all values of the key, every one but the first.
 * A profile without a value in the key is never a duplicate.
 */
function findDuplicates(connection: BetterSqlite.Database, query: ExportQuery): void {
  const keys = query.deduplicateBy.map(sqliteJsonPath)
  const required = query.required.map(sqliteJsonPath)
  const members = membersOf(query)
  const key = keys.map(() => 'json_extract(p.attributes, ?)')
  const conditions = [
    ...key.map((value) => `${value} is not null`),
    ...required.map(() => "coalesce(json_extract(p.attributes, ?), '') <> ''"),
    ...(query.consent === null ? [] : ["json_type(p.attributes, ?) = 'true'"]),
  ]
  connection.exec('drop table if exists temp.duplicates')
  connection.exec('create table temp.duplicates (profile_id integer primary key)')
  connection
    .prepare(
      `insert into temp.duplicates select id from (
         select m.profile_id as id, row_number() over (partition by ${key.join(', ')} order by m.profile_id) as place
         from ${members.from} where ${members.where} and ${conditions.join(' and ')})
       where place > 1`,
    )
    .run(
      ...keys,
      ...members.values,
      ...keys,
      ...required,
      ...(query.consent === null ? [] : [sqliteJsonPath(query.consent)]),
    )
}

const marks = (count: number): string => Array.from({ length: count }, () => '?').join(', ')
