import fc from 'fast-check'
import { expect, it } from 'vitest'
import { deletion } from '../../src/engine/deletion.ts'
import type { Database } from '../../src/storage/database.ts'

const query = (limit: number) => ({ toSQL: () => ({ sql: '', params: [limit] }) })

/** A table of rows that take some time each, and a clock that stands still but while they are deleted. */
function table(rows: number, msOfRow: (left: number) => number, msOfBatch = 1) {
  let at = 0
  let left = rows
  const holds: number[] = []
  const sizes: number[] = []
  const pauses: number[] = []
  const database: Pick<Database, 'batch' | 'sliceMs'> = {
    sliceMs: 12,
    async batch(writes) {
      return writes.map((write) => {
        const limit = 'toSQL' in write ? Number(write.toSQL().params[0]) : 0
        const started = at
        const count = Math.min(limit, left)
        at += msOfBatch
        for (let row = 0; row < count; row += 1) at += msOfRow(left - row)
        left -= count
        holds.push(at - started)
        sizes.push(limit)
        return count
      })
    },
  }
  const pause = async (ms: number) => {
    pauses.push(ms)
  }
  return { database, now: () => at, pause, holds, sizes, pauses, left: () => left }
}

it('never holds the database for 50 ms, however slow the rows are, and however their speed drifts', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 20_000 }),
      // From 0.1 µs to 0.2 ms a row, and up to three times as slow or fast from one half of the table to the other.
      fc.double({ min: 0.0001, max: 0.2, noNaN: true }),
      fc.double({ min: 0.34, max: 3, noNaN: true }),
      async (rows, msPerRow, drift) => {
        const scene = table(rows, (left) => (left > rows / 2 ? msPerRow : msPerRow * drift))
        const deleting = deletion({ ...scene, signal: new AbortController().signal })
        expect(await deleting.inSlices(query)).toBe(rows)
        expect(scene.left()).toBe(0)
        expect(Math.max(...scene.holds)).toBeLessThan(50)
        expect(deleting.longestMs()).toBe(Math.max(...scene.holds))
      },
    ),
    { numRuns: 200 },
  )
})

it('takes as many rows as fit: a million quick ones need few slices', async () => {
  const scene = table(1_000_000, () => 0.001)
  await deletion({ ...scene, signal: new AbortController().signal }).inSlices(query)
  expect(scene.holds.length).toBeLessThan(400)
})

it('lets the others go first where a slice took long', async () => {
  const scene = table(300, (left) => (left > 200 ? 0.4 : 0.01))
  await deletion({ ...scene, signal: new AbortController().signal }).inSlices(query)
  expect(scene.pauses).toHaveLength(1)
  expect(scene.sizes[1]).toBeLessThan(100)
})

it('stops between two slices', async () => {
  const stop = new AbortController()
  const scene = table(10_000, () => 0.01)
  const deleting = deletion({ ...scene, signal: stop.signal })
  const limits: number[] = []
  const stopped = deleting.inSlices((limit) => {
    if (limits.push(limit) === 3) stop.abort()
    return query(limit)
  })
  await expect(stopped).rejects.toThrow('aborted')
  expect(scene.holds).toHaveLength(2)
})
