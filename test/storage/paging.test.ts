import { eq } from 'drizzle-orm'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { is } from '../../src/storage/filter.ts'
import { newId } from '../../src/storage/ids.ts'
import { type PageArgs, selectPage } from '../../src/storage/paging.ts'
import { reader } from '../../src/storage/read.ts'
import type { Row } from '../../src/storage/tables.ts'
import { testDatabase } from '../support/database.ts'

type Segment = Row<'segments'>

describe('paging', () => {
  it('comes by every row once, forward and backward, in every order, while rows are inserted', async () => {
    const test = await testDatabase()
    const { database } = test
    const { segments } = database.tables
    const read = reader(database, segments)
    let number = 0
    // Few moments and few names: most rows are equal but for their id.
    const aSegment = (sandboxId: string, { moment, name }: { moment: number; name: string }): Segment => {
      number += 1
      const at = new Date(1_700_000_000_000 + moment)
      const rule = { attribute: { path: 'a', operator: 'EXISTS' as const } }
      return {
        id: newId('segment'),
        sandboxId,
        number,
        name,
        description: null,
        status: 'ACTIVE',
        rule,
        expression: '',
        snapshotId: null,
        createdAt: at,
        updatedAt: at,
      }
    }
    const row = fc.record({ moment: fc.integer({ min: 0, max: 2 }), name: fc.constantFrom('a', 'b', 'É') })
    const story = fc.record({
      rows: fc.array(row, { minLength: 1, maxLength: 25 }),
      inserted: fc.array(row, { maxLength: 10 }),
      size: fc.integer({ min: 1, max: 7 }),
      order: fc.constantFrom('createdAt', 'name'),
      direction: fc.constantFrom('ASC', 'DESC'),
      isBackward: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(story, async ({ rows, inserted, size, order, direction, isBackward }) => {
        const sandboxId = newId('sandbox')
        const insert = (list: typeof rows) =>
          database.batch(
            list.map((values) => database.db.insert(segments).values(aSegment(sandboxId, values))),
          )
        await insert(rows)
        const present = (
          await database.db.select().from(segments).where(eq(segments.sandboxId, sandboxId))
        ).map(({ id }) => id)
        const waiting = [...inserted]
        const seen: Segment[] = []
        let cursor: string | null = null
        for (;;) {
          const args: PageArgs = isBackward ? { last: size, before: cursor } : { first: size, after: cursor }
          const page = await selectPage({
            reader: read,
            where: [is(segments.sandboxId, sandboxId)],
            order: { name: order, column: segments[order], tie: segments.id, direction },
            args,
            maxPageSize: 100,
          })
          seen.push(...(isBackward ? [...page.rows].reverse() : page.rows))
          const edge = isBackward ? page.rows[0] : page.rows.at(-1)
          if (!edge || !(isBackward ? page.hasPreviousPage : page.hasNextPage)) break
          cursor = page.cursorOf(edge)
          await insert(waiting.splice(0, 2))
        }
        const ids = seen.map(({ id }) => id)
        expect(new Set(ids).size).toBe(ids.length)
        expect(ids.filter((id) => present.includes(id)).sort()).toEqual(present.sort())
        const keys = seen.map((segment) => [Number(segment.createdAt), segment.name, segment.id] as const)
        const at = order === 'createdAt' ? 0 : 1
        const isForward = (direction === 'ASC') !== isBackward
        const inOrder = keys.every((key, index) => {
          const before = keys[index - 1]
          if (!before) return true
          const [a, b] = isForward ? [before, key] : [key, before]
          return a[at] < b[at] || (a[at] === b[at] && a[2] < b[2])
        })
        expect(inOrder).toBe(true)
      }),
      { numRuns: 150 },
    )
    await test.dispose()
  })
})
