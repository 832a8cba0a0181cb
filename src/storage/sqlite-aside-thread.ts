import { parentPort, workerData } from 'node:worker_threads'
import BetterSqlite from 'better-sqlite3'
import { ATTRIBUTE_STATISTICS, attributeAggregate } from './sqlite-attributes.ts'

const connection = new BetterSqlite(workerData.file, { readonly: true, timeout: 5000 })
connection.aggregate(ATTRIBUTE_STATISTICS, attributeAggregate)

parentPort?.on('message', ({ id, sql, params }: { id: number; sql: string; params: unknown[] }) => {
  try {
    parentPort?.postMessage({
      id,
      rows: connection
        .prepare(sql)
        .raw()
        .all(...params),
    })
  } catch (error) {
    parentPort?.postMessage({ id, error })
  }
})
