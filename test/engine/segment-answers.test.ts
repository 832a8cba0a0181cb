// Real customers, real questions: the sizes were counted with another tool.
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { importProfiles } from '../../src/services/import.ts'
import { segmentService } from '../../src/services/segment.ts'
import answers from '../data/answers.json' with { type: 'json' }
import { SAKILA, TELCO } from '../support/answers.ts'
import { addSandbox, adminSession, type TestDatabase, testDatabase } from '../support/database.ts'
import { evaluate, latest } from '../support/segments.ts'

const DATA = path.join(import.meta.dirname, '../../src/demo-data')
let test: TestDatabase
beforeAll(async () => {
  test = await testDatabase()
})
afterAll(() => test.dispose())

describe.each([
  {
    sandbox: 'sakila',
    file: 'sakila-customers.csv',
    key: 'customer_id',
    rules: SAKILA,
    sizes: answers.sakila,
  },
  { sandbox: 'telco', file: 'telco-customers.csv', key: 'customerID', rules: TELCO, sizes: answers.telco },
])('segments on $file', ({ sandbox, file, key, rules, sizes }) => {
  it('have the size that another tool counts, evaluated and in a preview', async () => {
    const row = await addSandbox(test.database, sandbox)
    const of = { ...test, sandboxId: row.id, session: adminSession(row) }
    const input = path.join(DATA, file)
    const imported = await importProfiles({
      database: test.database,
      sandboxId: row.id,
      key,
      format: 'csv',
      input,
    })
    expect(imported).toMatchObject({ inserted: sizes.rows, rejected: 0 })
    const service = segmentService(test.ctx)
    const segments = new Map<string, string>()
    for (const [name, rule] of Object.entries(rules)) {
      segments.set(name, (await service.create(of.session, { name, rule })).id)
    }
    expect(await evaluate(of)).toMatchObject({ status: 'SUCCEEDED' })
    const evaluated: Record<string, number | undefined> = {}
    const previewed: Record<string, number> = {}
    for (const [name, id] of segments) {
      evaluated[name] = (await latest(of, id))?.profileCount
      const rule = rules[name as keyof typeof rules]
      previewed[name] = (await service.preview(of.session, rule, 0)).profileCount
    }
    expect(evaluated).toEqual(sizes)
    expect(previewed).toEqual(sizes)
  })
})
