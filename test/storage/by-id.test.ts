import type { SQL } from 'drizzle-orm'
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createStores } from '../../src/graphql/stores.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

let test: TestDatabase
beforeEach(async () => {
  test = await testDatabase()
})
afterEach(() => test.dispose())

it('every read by id searches by id, not through all rows of the sandbox', async () => {
  const { database, sandboxId } = test
  const queries: SQL[] = []
  const stores = createStores({
    ...database,
    prepare: (query, where) => {
      queries.push(query)
      return database.prepare(query, where)
    },
  })
  const { segment, segmentMapping, segmentationJob, snapshot, run, destination, dataflow } = stores
  const { destinationAccount } = stores
  const read = [
    segment,
    segmentMapping,
    segmentationJob,
    snapshot,
    run,
    destination,
    dataflow,
    destinationAccount,
  ]
  for (const store of read) await store.byIds(sandboxId, ['id_1', 'id_2'])
  expect(queries).toHaveLength(read.length)
  for (const query of queries) {
    const { sql, params } = new SQLiteSyncDialect().sqlToQuery(query)
    const explain = {
      toSQL: () => ({ sql: `explain query plan ${sql}`, params: params.map(() => '[]') }),
    }
    const plan = (await database.aside(explain)).map((row) => row[3]).join('\n')
    expect(plan, sql).toMatch(/SEARCH \w+ USING INDEX sqlite_autoindex_\w+ \(id=\?\)/)
  }
})
