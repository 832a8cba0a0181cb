// What an increment reads, collected before its first page: temp.changes has each profile with its status, and `d`
// where it is a duplicate. What that means is said at ExportQuery.
import type BetterSqlite from 'better-sqlite3'
import type { ExportQuery } from './capabilities.ts'
import { duplicateKey } from './sqlite-export-key.ts'

/** Fills temp.changes. */
export function collectChanges(connection: BetterSqlite.Database, query: ExportQuery): void {
  const { version, since, refusedIn } = query
  // Without a column that says so, the row of somebody who left would be taken for one of a member.
  const tellsExits = query.paths.includes(null) ? 1 : 0
  const named = { version, since, refusedIn, tellsExits }
  connection.exec('drop table if exists temp.changes')
  connection.exec(
    "create table temp.changes (profile_id integer primary key, status text not null, mark text not null default '')",
  )
  if (refusedIn !== null) connection.prepare(REFUSED).run(named)
  else for (const changes of [ENTERED, LEFT]) connection.prepare(changes).run(named)
  if (query.deduplicateBy.length === 0) return
  const { keys, keyPaths, mayLeave, mayLeavePaths } = duplicateKey(query)
  const names = keys.map((_, index) => `key_${index}`)
  connection
    .prepare(
      `insert into temp.changes (profile_id, status, mark)
       with compared as (
         select m.id, is_now, was_before, ${keys.map((value, index) => `${value} as ${names[index]}`).join(', ')}
         from (${refusedIn === null ? MEMBERS_OF_EITHER : COLLECTED}) m cross join profiles p
         where p.id = m.id and ${mayLeave}
       ), placed as (
         select id, is_now, was_before,
           row_number() over (partition by ${names.join(', ')} order by is_now desc, id) as place,
           row_number() over (partition by ${names.join(', ')} order by was_before desc, id) as place_before
         from compared
       )
       select id, iif(is_now, 'realized', 'exited'), iif(place > 1, 'd', '') from placed
       where iif(is_now and was_before, place = 1 and place_before > 1, place > 1 and (is_now or $tellsExits))
       on conflict (profile_id) do update set mark = excluded.mark`,
    )
    .run(...keyPaths, ...mayLeavePaths, named)
}

const isIn = (version: '$version' | '$since', id: string): string =>
  `exists (select 1 from members o where o.version = ${version} and o.profile_id = ${id})`

const ENTERED = `insert into temp.changes (profile_id, status)
  select m.profile_id, 'realized' from members m
  where m.version = $version and not ${isIn('$since', 'm.profile_id')}`
const LEFT = `insert into temp.changes (profile_id, status)
  select m.profile_id, 'exited' from members m
  where $tellsExits and m.version = $since and not ${isIn('$version', 'm.profile_id')}`
const REFUSED = `insert into temp.changes (profile_id, status)
  select r.profile_id, iif(${isIn('$version', 'r.profile_id')}, 'realized', 'exited') from rejections r
  where r.run_id = $refusedIn and r.reason = 'REFUSED_BY_DESTINATION'
    and (${isIn('$version', 'r.profile_id')} or $tellsExits and ${isIn('$since', 'r.profile_id')})`

const MEMBERS_OF_EITHER = `
  select m.profile_id as id, 1 as is_now, ${isIn('$since', 'm.profile_id')} as was_before
  from members m where m.version = $version
  union all
  select m.profile_id, 0, 1 from members m where m.version = $since and not ${isIn('$version', 'm.profile_id')}`
/** Each is compared as one that came or went, whatever it was. */
const COLLECTED = `select profile_id as id, status = 'realized' as is_now, status = 'exited' as was_before from temp.changes`
