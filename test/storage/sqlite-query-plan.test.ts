import type { SQL } from 'drizzle-orm'
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createStores } from '../../src/graphql/stores.ts'
import { latestRunsOf } from '../../src/storage/latest-run.ts'
import { runLease } from '../../src/storage/run-lease.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { statementsOf } from '../support/statements.ts'

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
    const plan = await planOf(sql, params.length)
    expect(plan, sql).toMatch(/SEARCH \w+ USING INDEX sqlite_autoindex_\w+ \(id=\?\)/)
  }
})

it('so do the activations, their runs, and the newest runs of mappings, however many are named', async () => {
  const { database, sandboxId } = test
  const { activation } = createStores(database)
  const ids = Array.from({ length: 50 }, (_, n) => `id_${n}`)
  for (const [read, index] of [
    [() => activation.byIds(sandboxId, ids), 'sqlite_autoindex_activations_1'],
    [() => activation.runsOf(sandboxId, ids), 'runs_activation'],
    [() => latestRunsOf(database, sandboxId, ids), 'runs_mapping'],
  ] as const) {
    const [sql = ''] = await statementsOf(read)
    expect(await planOf(sql, sql.split('?').length - 1), sql).toContain(`INDEX ${index} (`)
  }
})

it('every list below an object searches by the object, not through all rows of the sandbox', async () => {
  const { database, sandboxId } = test
  const { dataflow, destination, snapshot, run, segmentMapping, rejection } = createStores(database)
  const paging = { sandboxId, args: { first: 2 }, maxPageSize: 100 }
  const lists = {
    dataflows_destination: (ids: string[]) => dataflow.pagesByDestination(ids, paging),
    destinations_account: (ids: string[]) => destination.pagesByAccount(ids, paging),
    snapshots_segment: (ids: string[]) => snapshot.pagesBySegment(ids, paging),
    runs_dataflow: (ids: string[]) => run.pages({ parent: 'dataflow', ids }, paging),
    runs_segment: (ids: string[]) => run.pages({ parent: 'segment', ids }, paging),
    segment_mappings_destination: (ids: string[]) =>
      segmentMapping.pages({ parent: 'destination', ids }, { ...paging, visible: null }),
    segment_mappings_dataflow: (ids: string[]) =>
      segmentMapping.pages({ parent: 'dataflow', ids }, { ...paging, visible: null }),
    segment_mappings_segment: (ids: string[]) =>
      segmentMapping.pages({ parent: 'segment', ids }, { ...paging, visible: null }),
    sqlite_autoindex_rejections_1: (ids: string[]) => rejection.pagesByRun(ids, paging),
  }
  for (const [index, read] of Object.entries(lists)) {
    for (const ids of [['id_1'], ['id_1', 'id_2']]) {
      const [sql = ''] = await statementsOf(() => read(ids))
      const plan = await planOf(sql, sql.split('?').length - 1)
      expect(plan, sql).toMatch(
        new RegExp(`SEARCH \\w+ USING (COVERING )?INDEX ${index} |PRIMARY KEY \\(run_id=`),
      )
      expect(plan).not.toContain('SCAN found')
    }
  }
})

it('a worker looks for a run among the active ones alone, whichever destinations it passes over', async () => {
  const lease = runLease(test.database, 'me')
  for (const passOver of [[], ['dst_1'], ['dst_1', 'dst_2']]) {
    const statements = await statementsOf(() => lease.claim(new Date(), passOver))
    for (const sql of statements) {
      expect(await planOf(sql, sql.split('?').length - 1), sql).toContain('SCAN runs USING INDEX runs_active')
    }
  }
})

async function planOf(sql: string, values: number): Promise<string> {
  const explain = { toSQL: () => ({ sql: `explain query plan ${sql}`, params: Array(values).fill('[]') }) }
  return (await test.database.aside(explain)).map((row) => row[3]).join('\n')
}
