import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { s3 } from '../../src/destinations/s3/driver.ts'
import { s3Client } from '../../src/destinations/s3-client.ts'
import { areMarks, isOfRun, MARKS_AFTER, marksOf } from '../../src/destinations/s3-marks.ts'
import { openUpload, pieceBytes } from '../../src/destinations/s3-upload.ts'
import { toLoopback } from '../support/outbound.ts'
import { accountFor, objectsOf, openDelivery, write } from '../support/s3-scenes.ts'
import { type S3Server, s3Server } from '../support/s3-server/server.ts'

const driver = s3({ outbound: toLoopback })
const MIB = 1024 * 1024
let server: S3Server
beforeEach(async () => {
  server = await s3Server()
})
afterEach(() => server.close())
const open = (runId = 'run_1', fence = 1, settings = {}) =>
  openDelivery(driver, accountFor(server), { runId, fence, settings })
const keep = { replace: false }
const large = Buffer.alloc(21 * MIB + 7, 'a line of a large file, and another\n')

describe('a part', () => {
  it.each([0, 1, 5 * MIB, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 16 * MIB, 21 * MIB + 7])(
    'of %d bytes arrives byte for byte',
    async (size) => {
      const delivery = await open()
      const part = await write(delivery, 'a.csv', large.subarray(0, size))
      expect(await delivery.hasPart(part)).toBe(true)
      expect(await delivery.publish(part, keep)).toBe('s3://bucket/out/a.csv')
      expect(objectsOf(server)['out/a.csv']?.equals(large.subarray(0, size))).toBe(true)
      expect(server.uploads).toEqual([])
    },
  )

  it('arrives whatever its size and the size of what is written at a time', async () => {
    const sizes = fc.record({
      size: fc.integer({ min: 0, max: 20 * MIB }),
      step: fc.integer({ min: 1000, max: 9 * MIB }),
    })
    let number = 0
    await fc.assert(
      fc.asyncProperty(sizes, async ({ size, step }) => {
        const delivery = await open()
        const name = `${++number}.csv`
        await delivery.publish(await write(delivery, name, large.subarray(0, size), step), keep)
        expect(objectsOf(server)[`out/${name}`]?.equals(large.subarray(0, size))).toBe(true)
      }),
      { numRuns: 10 },
    )
  })

  it.each(['ünïcode/日本 語.csv', "a+b&c=d%20#?'()*!.csv", 'x/y/z.csv.gz.pgp'])(
    'may be called %j',
    async (name) => {
      const delivery = await open()
      await delivery.publish(await write(delivery, name, Buffer.from('hello')), keep)
      await delivery.putFile(`${name}.manifest.json`, Buffer.from('{}'))
      expect(Object.keys(objectsOf(server))).toEqual([`out/${name}`, `out/${name}.manifest.json`])
      expect(await delivery.exists(name)).toBe(true)
      expect(await delivery.exists(name.slice(0, -1))).toBe(false)
    },
  )

  it('is not there when the store has lost a piece of it, or all', async () => {
    const delivery = await open()
    const part = await write(delivery, 'a.csv', large)
    server.pageSize = 2
    expect(await delivery.hasPart(part)).toBe(true)
    server.uploads[0]?.pieces.delete(2)
    expect(await delivery.hasPart(part)).toBe(false)
    server.uploads.length = 0
    expect(await delivery.hasPart(part)).toBe(false)
  })

  it('that waits keeps at most three pieces in memory', async () => {
    let atOnce = 0
    let most = 0
    const slowly = async () => {
      atOnce += 1
      most = Math.max(most, atOnce)
      await new Promise((resolve) => setTimeout(resolve, 20))
      atOnce -= 1
    }
    server.faults.add('UploadPart', { first: slowly }, Infinity)
    await write(await open(), 'a.csv', Buffer.alloc(60 * MIB))
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(3)
  })
})

describe('the pieces', () => {
  it('are equal up to 16 GiB, grow then, and 9,900 of them make 5 TiB', () => {
    const sizes = Array.from({ length: MARKS_AFTER.large }, (_, index) => pieceBytes(index + 1))
    expect(new Set(sizes.slice(0, 2000))).toEqual(new Set([8 * MIB]))
    let total = 0
    let largest = 0
    for (const size of sizes) {
      if (total >= 5 * MIB * MIB) break
      total += size
      largest = Math.max(largest, size)
    }
    expect(total).toBeGreaterThanOrEqual(5 * MIB * MIB)
    expect(largest).toBeLessThanOrEqual(5 * 1024 * MIB)
    expect(pieceBytes(3_000)).toBe(32 * MIB) // at 25 GiB
  })

  it('take the place of the marks only when there are others', async () => {
    const client = s3Client(
      { ...server.keys, sessionToken: undefined, endpoint: server.url, forcePathStyle: true },
      toLoopback,
    )
    const signal = new AbortController().signal
    const upload = {
      client,
      Bucket: 'bucket',
      Key: 'out/a.csv',
      create: {},
      isChecked: false,
      runId: 'run_1',
      fence: 3,
      signal,
    }
    const writer = await openUpload(upload, () => 20_000)
    await writer.write(Buffer.alloc(20_000 * 901))
    const numbers = () => [...(server.uploads[0]?.pieces.keys() ?? [])].sort((a, b) => a - b).slice(-3)
    while (numbers().length < 3 || !server.uploads[0]?.pieces.has(901))
      await new Promise((resolve) => setTimeout(resolve, 5))
    expect(numbers()).toEqual([1000, 9904, 10_000])
    await (await open('run_2', 9)).discard('a', [])
    expect(server.uploads).toHaveLength(1)
    await (await open('run_1', 2)).discard('a', [])
    expect(server.uploads).toHaveLength(1)
    await (await open('run_1', 3)).discard('a', [])
    expect(server.uploads).toEqual([])
    await writer.abort()
  })
})

describe('what attempts left unfinished', () => {
  const uploadKeys = () => server.uploads.map(({ key }) => key)

  it('is found in the folder whatever the name was, over many pages', async () => {
    server.pageSize = 2
    const killed = await open('run_1', 1)
    for (const name of ['a.csv', 'a_2.csv', 'b.csv', 'b_2.csv', 'c.csv']) await killed.openPart(name)
    await (await open('run_2', 1)).openPart('a.csv')
    await (await open('run_1', 1, { path: 'out/deeper' })).openPart('a.csv')
    await (await open('run_1', 2)).discard('a', [])
    expect(uploadKeys()).toEqual(['out/a.csv', 'out/deeper/a.csv'])
  })

  it('of a newer claim is left to it by an older one that wakes up', async () => {
    const newer = await open('run_1', 7)
    const part = await write(newer, 'a.csv', Buffer.from('whole'))
    await (await open('run_1', 6)).discard('a', [])
    expect(await newer.hasPart(part)).toBe(true)
  })

  it('is found also when the kill came before the marks, or between them', async () => {
    const killed = await open('run_1', 1)
    await killed.openPart('a.csv')
    await killed.openPart('b.csv')
    const other = await open('run_2', 1)
    await other.openPart('b.csv')
    const [none, one, others] = server.uploads
    none?.pieces.clear()
    one?.pieces.delete(1000)
    others?.pieces.delete(902)
    await (await open('run_1', 2)).discard('a', [])
    expect(server.uploads).toEqual([others])
  })

  it('is swept after the answer to the very first request was lost', async () => {
    const delivery = await open()
    server.faults.add('CreateMultipartUpload', { loseAnswer: true }, 4)
    await expect(delivery.openPart('a.csv')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(server.uploads).toHaveLength(4)
    await delivery.discard('a', [])
    expect(server.uploads).toEqual([])
  })

  it('stays where the account may not look for it, and the log says so', async () => {
    const said: unknown[] = []
    const log = { warn: (...all: unknown[]) => said.push(all) } as never
    const delivery = await openDelivery(driver, accountFor(server), { runId: 'run_1', fence: 1, log })
    await delivery.openPart('a.csv')
    server.faults.add('ListMultipartUploads', { status: 403, code: 'AccessDenied' })
    await delivery.discard('a', [])
    expect(said).toHaveLength(1)
    expect(server.uploads).toHaveLength(1)
  })

  it('of a part that is aborted in the middle of a piece is gone', async () => {
    const writer = await (await open()).openPart('a.csv')
    await writer.write(large)
    await writer.abort()
    expect(server.uploads).toEqual([])
  })

  it('is known by the run and the claim', () => {
    const ids = Array.from({ length: 2_000 }, (_, index) => `run_${index}`)
    const { most } = MARKS_AFTER
    for (const runId of ids) {
      expect(isOfRun(marksOf(runId, 5, most), { runId, fence: 5 })).toBe(true)
      expect(isOfRun(marksOf(runId, 5, most), { runId, fence: 4 })).toBe(false)
      expect(isOfRun(marksOf(runId, 5, most), { runId: 'run_x', fence: 9 })).toBe(false)
      expect(areMarks(marksOf(runId, 1_000_000, most))).toBe(true)
    }
    expect(isOfRun([], { runId: 'run_1', fence: 1 })).toBe(false)
  })
})
