// SQLite alone can be told how large its file may become. What PostgreSQL says is in postgres-errors.test.ts.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Unavailable } from '../../src/domain/errors.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

let test: TestDatabase
beforeEach(async () => {
  test = await testDatabase()
})
afterEach(() => test.dispose())

describe('a full database', () => {
  it('answers Unavailable, writes nothing, and serves again when there is space', async () => {
    const { database } = test
    const pages = Number(
      (await database.aside({ toSQL: () => ({ sql: 'pragma page_count', params: [] }) }))[0]?.[0],
    )
    await limitPages(pages + 2)
    const large = Array.from({ length: 2_000 }, (_, i) => ({
      key: `k${i}`,
      patch: `{"a":"${'x'.repeat(200)}"}`,
    }))
    await expect(database.upsertProfiles(1, large)).rejects.toThrow(Unavailable)
    expect(await database.db.select().from(database.tables.profiles)).toEqual([])
    await limitPages(1_000_000)
    expect(await database.upsertProfiles(1, large)).toMatchObject({ inserted: 2_000 })
  })

  const limitPages = (count: number) =>
    test.database.batch([{ toSQL: () => ({ sql: `pragma max_page_count = ${count}`, params: [] }) }])
})
