// What both peers read, as an expert would: one prepared statement each, only the columns that are asked for, and a
// mapping comes with its segment.
import BetterSqlite from 'better-sqlite3'

const MAPPING = `m.number, m.element_name as elementName, m.element_description as elementDescription,
  m.element_status as elementStatus, s.id as segmentId, s.number as segmentNumber, s.name as segmentName,
  s.status as segmentStatus
  from segment_mappings m join segments s on s.id = m.segment_id`

/** Opens the gateway's own database file, with the page cache that the gateway has. */
export function openRows(file) {
  const db = new BetterSqlite(file, { readonly: true })
  db.pragma('cache_size = -8192')
  const sandbox = db.prepare("select id from sandboxes where name = 'prod'").pluck().get()
  const prepared = {
    segments: db.prepare(
      `select id, number, name, status, created_at as createdAt from segments
       where sandbox_id = ? and status <> 'DELETED' order by created_at, id limit ?`,
    ),
    destination: db.prepare('select id, number, name from destinations where sandbox_id = ? and id = ?'),
    // With a plus, so that the index of the destination is taken and not the sandbox's.
    dataflows: db.prepare(
      `select id, name, state from dataflows
       where +sandbox_id = ? and destination_id = ? order by created_at, id limit ?`,
    ),
    mappings: db.prepare(
      `select ${MAPPING} where m.sandbox_id = ? and m.dataflow_id = ? order by m.id limit ?`,
    ),
    runs: db.prepare(
      `select id, status, exported, bytes, created_at as createdAt, completed_at as completedAt from runs
       where sandbox_id = ? and dataflow_id = ? order by created_at desc, id desc limit ?`,
    ),
    lookup: db.prepare(
      `select ${MAPPING}
       where m.sandbox_id = ? and m.destination_id = ? and m.number in (select value from json_each(?))
       order by m.id limit ?`,
    ),
  }
  return {
    segments: (limit) => prepared.segments.all(sandbox, limit),
    destination: (id) => prepared.destination.get(sandbox, id),
    dataflows: (destinationId, limit) => prepared.dataflows.all(sandbox, destinationId, limit),
    mappings: (dataflowId, limit) => prepared.mappings.all(sandbox, dataflowId, limit),
    runs: (dataflowId, limit) => prepared.runs.all(sandbox, dataflowId, limit),
    /** The mappings of a destination with these numbers. */
    lookup: (destinationId, numbers, limit) =>
      prepared.lookup.all(sandbox, destinationId, JSON.stringify(numbers), limit),
  }
}
