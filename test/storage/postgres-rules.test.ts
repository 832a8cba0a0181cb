// What a segment is does not depend on the database: the same rules select the same profiles on both.
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { openPostgres } from '../../src/storage/postgres.ts'
import { testDatabase } from '../support/database.ts'
import { emptyPostgres } from '../support/postgres-database.ts'
import { ruleSelection } from '../support/rule-selection.ts'
import { profile, rule } from '../support/rules.ts'

const RUNS = Number(process.env.PROPERTY_RUNS ?? 150)

it('a rule selects the same profiles on SQLite and on PostgreSQL', async () => {
  const sqlite = await testDatabase()
  const place = await emptyPostgres()
  const postgres = openPostgres(place.url)
  try {
    await postgres.migrate()
    const onSqlite = ruleSelection(sqlite)
    const onPostgres = ruleSelection({ database: postgres })
    let selected = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(profile, { minLength: 1, maxLength: 12 }),
        fc.array(rule, { minLength: 1, maxLength: 8 }),
        async (profiles, rules) => {
          const answers = await Promise.all([onSqlite(profiles, rules), onPostgres(profiles, rules)])
          expect(answers[1]).toEqual(answers[0])
          selected += answers[0].flat().filter(Boolean).length
        },
      ),
      { numRuns: RUNS },
    )
    expect(selected).toBeGreaterThan(RUNS)
  } finally {
    await postgres.close()
    await place.drop()
    await sqlite.dispose()
  }
})
