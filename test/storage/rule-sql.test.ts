import { asc, eq, sql } from 'drizzle-orm'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Rule } from '../../src/domain/model.ts'
import { checkRule } from '../../src/domain/rule-check.ts'
import { parseInstant } from '../../src/domain/rule-instant.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { matchRule } from '../support/rule-match.ts'
import { NOW, ruleSelection } from '../support/rule-selection.ts'
import { anyDate, dates, profile, rule, SEGMENT_IDS } from '../support/rules.ts'

const RUNS = Number(process.env.PROPERTY_RUNS ?? 300)
let test: TestDatabase
let selected: ReturnType<typeof ruleSelection>
beforeAll(async () => {
  test = await testDatabase()
  selected = ruleSelection(test)
})
afterAll(() => test.dispose())

describe('a rule in SQL', () => {
  it('selects the profiles that the rule matches in memory', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(profile, { minLength: 1, maxLength: 12 }),
        fc.array(rule, { minLength: 1, maxLength: 8 }),
        async (profiles, rules) => {
          const bySql = await selected(profiles, rules)
          const inMemory = rules.map((one) =>
            profiles.map((attributes, index) =>
              matchRule(one, attributes, {
                now: NOW,
                isMember: (id) => id === SEGMENT_IDS[0] && index % 3 === 0,
              }),
            ),
          )
          expect(bySql).toEqual(inMemory)
        },
      ),
      { numRuns: RUNS },
    )
  })

  it('reads a text as the same instant as in memory, or as none', async () => {
    const { db, tables, json } = test.database
    const texts = [...dates, ...fc.sample(anyDate, 200)]
    const rows = texts.map((d, index) => ({ namespaceId: 2, key: String(index), attributes: { d } }))
    await test.database.batch([db.insert(tables.profiles).values(rows)])
    const read = await db
      .select({ instant: sql<number | null>`${json.instant('d')}` })
      .from(tables.profiles)
      .where(eq(tables.profiles.namespaceId, 2))
      .orderBy(asc(tables.profiles.id))
    expect(texts.map((d, index) => [d, read[index]?.instant])).toEqual(texts.map((d) => [d, parseInstant(d)]))
  })

  it('keeps every double exact on its way through the stored JSON', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 100 }),
        async (numbers) => {
          const rules = numbers.map(
            (value): Rule => ({ attribute: { path: 'n', operator: 'EQUALS', value } }),
          )
          const answers = await selected(
            numbers.map((n) => ({ n })),
            rules,
          )
          expect(answers.map((row, index) => row[index])).toEqual(numbers.map(() => true))
        },
      ),
      { numRuns: 20 },
    )
  })

  it('binds the largest rule that is allowed in one statement', async () => {
    const value = Array.from({ length: 1000 }, (_, index) => (index % 2 ? `v${index}` : index))
    const leaves = Array.from({ length: 250 }, (): Rule[] => [
      { not: { attribute: { path: 'a.b', operator: 'IN', value } } },
      { attribute: { path: 'a.b', operator: 'GREATER_OR_EQUAL', value: '2023-01-01' } },
    ]).flat()
    let deep: Rule = { all: leaves }
    for (let depth = 3; depth < 10; depth++) deep = { not: deep }
    expect(checkRule(deep, []).errors).toBeUndefined()
    expect(await selected([{ a: { b: '2024-01-01' } }, { a: { b: 2 } }], [deep])).toEqual([[false, true]])
  })

  it('takes hostile text as data', async () => {
    const hostile = `x') or 1=1 --`
    const byValue: Rule = { attribute: { path: 'a', operator: 'EQUALS', value: hostile } }
    const byPath: Rule = { attribute: { path: `a" || "') or 1=1 --`, operator: 'EXISTS' } }
    expect(await selected([{ a: hostile }, { a: 'x' }], [byValue, byPath])).toEqual([
      [true, false],
      [false, false],
    ])
  })
})
