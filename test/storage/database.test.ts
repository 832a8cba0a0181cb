import { and, eq } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Database, StaleWrite } from '../../src/storage/database.ts'
import { openDatabase } from '../../src/storage/open.ts'
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

describe('claim', () => {
  const ROWS = 30
  /** Takes the first sandbox that has no title yet. */
  const claimed = (database: Database, by: string) => {
    const { sandboxes } = database.tables
    return database.claim(
      (db) => db.select().from(sandboxes).where(eq(sandboxes.title, '')).orderBy(sandboxes.id).limit(1),
      ({ id }) => [
        {
          query: database.db
            .update(sandboxes)
            .set({ title: by })
            .where(and(eq(sandboxes.id, id), eq(sandboxes.title, ''))),
          expect: 1,
        },
      ],
    )
  }

  it('gives each row to one of many that ask at once, and none when none is left', async () => {
    const others = Array.from({ length: 3 }, () => openDatabase(test.url))
    const all = [test.database, ...others]
    const { sandboxes } = test.database.tables
    const rows = Array.from({ length: ROWS }, (_, n) => ({
      id: `sbx_${n + 100}`,
      name: `box-${n}`,
      title: '',
      createdAt: new Date(),
    }))
    await test.database.batch([test.database.db.insert(sandboxes).values(rows)])
    const taken: string[][] = await Promise.all(
      all.map(async (database, place) => {
        const ids: string[] = []
        for (;;) {
          const row = await claimed(database, `by ${place}`)
          if (row) ids.push(row.id)
          else if ((await left(database)) === 0) return ids
        }
      }),
    )
    expect(taken.flat().sort()).toEqual(rows.map(({ id }) => id))
    for (const [place, ids] of taken.entries()) {
      const own = await test.database.db
        .select()
        .from(sandboxes)
        .where(eq(sandboxes.title, `by ${place}`))
      expect(own.map(({ id }) => id).sort()).toEqual(ids.sort())
    }
    await Promise.all(others.map((database) => database.close()))
  })

  it('takes nothing when its writes fail', async () => {
    const { database } = test
    const { sandboxes } = database.tables
    const failing = database.claim(
      (db) => db.select().from(sandboxes).limit(1),
      () => [
        database.db.update(sandboxes).set({ title: 'taken' }),
        database.db.insert(sandboxes).values({ id: 'sbx_2', name: 'prod', title: '', createdAt: new Date() }),
      ],
    )
    await expect(failing).rejects.toSatisfy((error) => database.violatedTable(error) === 'sandboxes')
    expect((await database.db.select().from(sandboxes))[0]?.title).not.toBe('taken')
  })

  async function left({ db, tables }: Database): Promise<number> {
    return (await db.select().from(tables.sandboxes).where(eq(tables.sandboxes.title, ''))).length
  }
})

describe('statistics of attributes', () => {
  it('are not begun for somebody who has gone, and given up for one who goes', async () => {
    const { database, sandboxId } = test
    const gone = new Error('gone')
    await expect(database.attributeStatistics(sandboxId, AbortSignal.abort(gone))).rejects.toBe(gone)
    const leaving = new AbortController()
    const statistics = database.attributeStatistics(sandboxId, leaving.signal)
    leaving.abort(gone)
    await expect(statistics).rejects.toBe(gone)
    expect(await database.attributeStatistics(sandboxId)).toEqual([])
  })
})
