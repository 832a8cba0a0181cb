// Real customers, real questions: the sizes were counted with another tool.
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AttributeCondition, AttributeOperator, Rule } from '../../src/domain/model.ts'
import { importProfiles } from '../../src/services/import.ts'
import { segmentService } from '../../src/services/segment.ts'
import answers from '../data/answers.json' with { type: 'json' }
import { addSandbox, adminSession, type TestDatabase, testDatabase } from '../support/database.ts'
import { evaluate, latest } from '../support/segments.ts'

const DATA = path.join(import.meta.dirname, '../../src/demo-data')
const is = (path: string, operator: AttributeOperator, value?: AttributeCondition['value']): Rule => ({
  attribute: { path, operator, ...(value !== undefined && { value }) },
})

const SAKILA: Record<keyof typeof answers.sakila, Rule> = {
  rows: is('customer_id', 'EXISTS'),
  active: is('active', 'EQUALS', true),
  'country = India': is('country', 'EQUALS', 'India'),
  'total_spent > 150': is('total_spent', 'GREATER_THAN', 150),
  'active and (country in (India, China)) and rentals >= 30': {
    all: [
      is('active', 'EQUALS', true),
      is('country', 'IN', ['India', 'China']),
      is('rentals', 'GREATER_OR_EQUAL', 30),
    ],
  },
  'not (store_id = 1) and last_rental_at >= 2005-08-23T00:00:00Z': {
    all: [
      { not: is('store_id', 'EQUALS', 1) },
      is('last_rental_at', 'GREATER_OR_EQUAL', '2005-08-23T00:00:00Z'),
    ],
  },
}
const TELCO: Record<keyof typeof answers.telco, Rule> = {
  rows: is('customerID', 'EXISTS'),
  'Churn = Yes': is('Churn', 'EQUALS', 'Yes'),
  'Contract = Month-to-month and InternetService = Fiber optic and tenure < 12': {
    all: [
      is('Contract', 'EQUALS', 'Month-to-month'),
      is('InternetService', 'EQUALS', 'Fiber optic'),
      is('tenure', 'LESS_THAN', 12),
    ],
  },
  'TotalCharges exists (blank is no value)': is('TotalCharges', 'EXISTS'),
  'MonthlyCharges >= 100 or SeniorCitizen = 1': {
    any: [is('MonthlyCharges', 'GREATER_OR_EQUAL', 100), is('SeniorCitizen', 'EQUALS', 1)],
  },
}

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
