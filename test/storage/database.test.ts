import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StaleWrite } from '../../src/storage/database.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

let test: TestDatabase
beforeEach(async () => {
  test = await testDatabase()
})
afterEach(() => test.dispose())

describe('batch', () => {
  it('undoes every write when one misses the rows it expected', async () => {
    const { database } = test
    const { sandboxes } = database.tables
    const renaming = database.batch([
      database.db.update(sandboxes).set({ title: 'renamed' }),
      { query: database.db.update(sandboxes).set({ title: 'x' }).where(eq(sandboxes.id, 'none')), expect: 1 },
    ])
    await expect(renaming).rejects.toThrow(StaleWrite)
    expect((await database.db.select().from(sandboxes))[0]?.title).toBe('prod')
  })

  it('names the table whose unique index refused a row', async () => {
    const { database } = test
    const { sandboxes } = database.tables
    const row = { id: 'sbx_2', name: 'prod', title: '', createdAt: new Date() }
    const error = await database.batch([database.db.insert(sandboxes).values(row)]).catch((e: unknown) => e)
    expect(database.violatedTable(error)).toBe('sandboxes')
  })
})

describe('upsertProfiles', () => {
  it('inserts without nulls, merges by key, and counts both', async () => {
    const { database } = test
    const patches = [{ key: 'a', patch: '{"x":1,"y":null}' }]
    expect(await database.upsertProfiles(1, patches)).toEqual({ inserted: 1, updated: 0 })
    const merge = [{ key: 'a', patch: '{"x":null,"z":{"q":"é"}}' }]
    expect(await database.upsertProfiles(1, merge)).toEqual({ inserted: 0, updated: 1 })
    const rows = await database.aside(
      database.db.select({ id: database.tables.profiles.id }).from(database.tables.profiles),
    )
    expect(rows).toHaveLength(1)
  })
})
