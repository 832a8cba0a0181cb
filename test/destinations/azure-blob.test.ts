import { createHash } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { blockBytes, blockId, blocksAtOnce } from '../../src/destinations/azure-blob/blocks.ts'
import { DeliveryError, type FileDelivery } from '../../src/destinations/driver.ts'
import { createOutbound } from '../../src/destinations/outbound.ts'
import type { FinishedPart } from '../../src/domain/model.ts'
import { azureScene } from '../support/azure-blob.ts'
import { buffersInUse } from '../support/memory.ts'
import { fileDriverContract } from './file-driver-contract.ts'

const azure = azureScene()
const { scene, visible, everything } = azure
const open = (run: { runId: string; fence: number }) => azure.open(run)

fileDriverContract('AZURE_BLOB', () => ({ open, visible, everything }))

async function part(
  delivery: FileDelivery,
  { name = 'a.csv', fence = 1, bytes }: { name?: string; fence?: number; bytes: Buffer },
): Promise<FinishedPart> {
  const writer = await delivery.openPart(name)
  for (let at = 0; at < bytes.length; at += 300_000) {
    const chunk = Buffer.from(bytes.subarray(at, at + 300_000))
    await writer.write(chunk)
    chunk.fill(0) // its memory is used again
  }
  const receipt = (await writer.finish()) ?? {}
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return { part: 1, fence, name, rows: 1, bytes: bytes.length, sha256, receipt }
}
const keep = { replace: false }
const large = Buffer.alloc(10_000_000, 'a line of a large file\n')

describe('a part', () => {
  it('of several blocks arrives byte for byte, and says whose it is', async () => {
    const delivery = await open({ runId: 'run_1', fence: 1 })
    const finished = await part(delivery, { bytes: large })
    expect(finished.receipt).toEqual({ blocks: 3 })
    const location = await delivery.publish(finished, keep)
    expect(location).toBe(
      `http://127.0.0.1:${scene.proxy.port}/teststore/${scene.container.containerName}/in/here/a.csv`,
    )
    const blob = scene.container.getBlobClient('in/here/a.csv')
    expect((await blob.downloadToBuffer()).equals(large)).toBe(true)
    const { metadata } = await blob.getProperties()
    expect(metadata).toEqual({ gateway_run: 'run_1', gateway_sha256: finished.sha256 })
  })

  it('without a byte becomes an empty file', async () => {
    const delivery = await open({ runId: 'run_1', fence: 1 })
    const { receipt, ...empty } = await part(delivery, { bytes: Buffer.alloc(0) })
    expect(receipt).toEqual({ blocks: 0 })
    await delivery.publish(empty, keep)
    expect(await visible()).toEqual({ 'a.csv': '' })
  })

  it('gets its name although the answer to that was lost', async () => {
    const delivery = await open({ runId: 'run_1', fence: 1 })
    const finished = await part(delivery, { bytes: Buffer.from('hello') })
    scene.proxy.loseAnswers(1, ({ url }) => url?.includes('comp=blocklist') ?? false)
    await delivery.publish(finished, keep)
    expect(await visible()).toEqual({ 'a.csv': 'hello' })
  })

  it('whose blocks another run of the same static name has dropped is written anew, not torn', async () => {
    const [one, two] = [await open({ runId: 'run_1', fence: 1 }), await open({ runId: 'run_2', fence: 1 })]
    const ofOne = await part(one, { bytes: Buffer.from('one') })
    const ofTwo = await part(two, { bytes: Buffer.from('two') })
    await two.publish(ofTwo, { replace: true })
    expect(await one.hasPart(ofOne)).toBe(false)
    const error = await one.publish(ofOne, { replace: true }).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'NAME_TAKEN', retryable: true })
    expect(error.message).toMatch(/another run/)
    await one.publish(await part(one, { bytes: Buffer.from('one') }), { replace: true })
    expect(await visible()).toEqual({ 'a.csv': 'one' })
  })
})

const failing = (work: Promise<unknown>) =>
  work.then(
    () => {
      throw new Error('it did not fail')
    },
    (error) => error,
  )
const aBlock = ({ url }: { url?: string | undefined }) => url?.includes('comp=block&') ?? false

describe('on a bad day', () => {
  it.each(['cut', 'reset'] as const)('a connection that is %s in the middle costs nothing', async (how) => {
    const delivery = await open({ runId: 'run_1', fence: 1 })
    scene.proxy.breakAfter(6_000_000, how)
    await delivery.publish(await part(delivery, { bytes: large }), keep)
    expect((await visible())['a.csv']).toBe(`${large}`)
  })

  it('a connection on which nothing moves is given up, and the block sent again', async () => {
    const delivery = await open({ runId: 'run_1', fence: 1 })
    scene.proxy.breakAfter(2, 'stall')
    await delivery.publish(await part(delivery, { bytes: Buffer.from('hello') }), keep)
    expect(await visible()).toEqual({ 'a.csv': 'hello' })
  })

  it('a server that is not there, and one that fails all the time, are given up after three tries', async () => {
    const delivery = await open({ runId: 'run_1', fence: 1 })
    const before = scene.proxy.requests()
    for (const [status, code] of [
      [500, 'UNAVAILABLE'],
      [503, 'THROTTLED'],
    ] as const) {
      scene.proxy.answerNext(Infinity, { status }, aBlock)
      const error = await failing(part(delivery, { bytes: Buffer.from('hello') }))
      expect(error).toMatchObject({ code, retryable: true })
    }
    expect(scene.proxy.requests() - before).toBe(6)
    await scene.proxy.close()
    expect(await failing(delivery.exists('a.csv'))).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
  })

  it.each([
    [
      { status: 429, headers: { 'retry-after': '7' } },
      { code: 'THROTTLED', retryable: true, retryAfterMs: 7000 },
    ],
    [
      { status: 503, headers: { 'retry-after': '2' } },
      { code: 'THROTTLED', retryable: true, retryAfterMs: 2000 },
    ],
    [{ status: 401 }, { code: 'REFUSED_LOGIN', retryable: false }],
    [
      { status: 403, body: 'No.\nAccess' },
      { code: 'REFUSED_LOGIN', message: 'Azure answered 403: No. Access' },
    ],
    [{ status: 413 }, { code: 'REFUSED_WRITE', retryable: false }],
    [
      { status: 307, headers: { location: 'http://127.0.0.1:1/' } },
      { code: 'REFUSED_WRITE', retryable: false },
    ],
  ])('%j is told once, as it is', async (answer, expected) => {
    const delivery = await open({ runId: 'run_1', fence: 1 })
    const before = scene.proxy.requests()
    scene.proxy.answerNext(Infinity, answer, aBlock)
    const error = await failing(part(delivery, { bytes: Buffer.from('hello') }))
    expect(error).toBeInstanceOf(DeliveryError)
    expect(error).toMatchObject(expected)
    expect(scene.proxy.requests() - before).toBe(1)
  })

  it('no error holds what one logs in with, however deep', async () => {
    const secrets = azure.sasSecrets('rcwdl')
    const delivery = await azure.open({ runId: 'run_1', fence: 1 }, { secrets })
    const signature = new URL(secrets.sasUrl).searchParams.get('sig') ?? '?'
    const repeated = `You may not ask for /a.csv?sig=${encodeURIComponent(signature)}&sp=rw, ever.`
    scene.proxy.answerNext(Infinity, { status: 403, body: repeated })
    const error = await failing(delivery.putFile('a.csv', Buffer.from('hello')))
    expect(error.message).toContain('You may not ask for /a.csv?sig=[secret]&sp=rw, ever.')
    const all = inspect(error, { depth: 20, showHidden: true })
    expect([all.includes(signature), all.includes(encodeURIComponent(signature))]).toEqual([false, false])
  })

  it('an aborted signal ends what is on its way, and is what is thrown', async () => {
    const stop = new AbortController()
    const delivery = await azure.open({ runId: 'run_1', fence: 1 }, { signal: stop.signal })
    scene.proxy.breakAfter(2, 'stall', Infinity)
    const written = failing(part(delivery, { bytes: Buffer.from('hello') }))
    const reason = new Error('cancelled')
    setTimeout(() => stop.abort(reason), 100)
    expect(await written).toBe(reason)
  })

  it('goes out by the given agents alone, also where the environment names a proxy', async () => {
    process.env.HTTP_PROXY = 'http://127.0.0.1:1'
    try {
      expect(await (await open({ runId: 'run_1', fence: 1 })).exists('a.csv')).toBe(false)
      const closed = createOutbound({ allow: [] })
      const delivery = await azure.open({ runId: 'run_1', fence: 1 }, { outbound: closed })
      expect(await failing(delivery.exists('a.csv'))).toMatchObject({
        code: 'REFUSED_ADDRESS',
        retryable: false,
      })
    } finally {
      delete process.env.HTTP_PROXY
    }
  })
})

describe('what was staged and not published', () => {
  const staged = async (delivery: FileDelivery, name = 'a.csv') => {
    const writer = await delivery.openPart(name)
    await writer.write(Buffer.from('something'))
    await writer.finish()
    return writer
  }

  it('by a claim that has it now is not dropped by an older one, and the other way round', async () => {
    const [frozen, taker] = [
      await open({ runId: 'run_1', fence: 1 }),
      await open({ runId: 'run_1', fence: 2 }),
    ]
    const old = await staged(frozen)
    const finished = await part(taker, { fence: 2, bytes: Buffer.from('whole') })
    await old.abort()
    await frozen.discard('a.csv', [])
    expect(await taker.hasPart(finished)).toBe(true)
    await taker.discard('a.csv', [])
    expect(await everything()).toEqual([])
  })

  it('under the name of a file that exists is left to the service: the file is not touched', async () => {
    const delivery = await open({ runId: 'run_1', fence: 1 })
    const blob = scene.container.getBlockBlobClient('in/here/a.csv')
    await blob.upload('theirs', 6)
    const { etag } = await blob.getProperties()
    await staged(delivery)
    await delivery.discard('a.csv', [])
    expect((await blob.getProperties()).etag).toBe(etag)
    expect(await visible()).toEqual({ 'a.csv': 'theirs' })
  })

  it('beside the blocks of another run is left to whoever comes last', async () => {
    const [one, two] = [await open({ runId: 'run_1', fence: 1 }), await open({ runId: 'run_2', fence: 1 })]
    await staged(one)
    const ofTwo = await part(two, { bytes: Buffer.from('two') })
    await one.discard('a.csv', [])
    await two.publish(ofTwo, keep)
    expect(await visible()).toEqual({ 'a.csv': 'two' })
  })

  it('and swept by somebody who was killed in the middle is in nobody’s way', async () => {
    const mark = { metadata: { gateway_swept: 'true' } }
    for (const name of ['a.csv', 'a_2.csv']) {
      await scene.container.getBlockBlobClient(`in/here/${name}`).upload('', 0, mark)
    }
    const delivery = await open({ runId: 'run_1', fence: 1 })
    expect(await delivery.exists('a.csv')).toBe(false)
    await delivery.publish(await part(delivery, { bytes: Buffer.from('hello') }), keep)
    await delivery.discard('a.csv', [])
    expect(await visible()).toEqual({ 'a.csv': 'hello' })
  })

  it('is found under the first name of a run that had to take another one', async () => {
    const delivery = await open({ runId: 'run_1', fence: 1 })
    await staged(delivery, 'a_2.csv')
    await delivery.discard('a_run_1', [])
    expect(await everything()).toEqual([])
  })

  it('stays where the signature does not allow to delete: no empty file appears', async () => {
    const delivery = await azure.open({ runId: 'run_1', fence: 1 }, { secrets: azure.sasSecrets('rcwl') })
    const writer = await staged(delivery)
    await writer.abort()
    await delivery.discard('a.csv', [])
    expect([await visible(), await everything()]).toEqual([{}, ['a.csv']])
  })

  it('stays where a policy keeps every blob', async () => {
    const delivery = await open({ runId: 'run_1', fence: 1 })
    const headers = { 'x-ms-has-immutability-policy': 'true' }
    scene.proxy.answerNext(Infinity, { status: 200, headers }, ({ url }) =>
      /out-\d+\?restype=container($|&timeout)/.test(url ?? ''),
    )
    await staged(delivery)
    await delivery.discard('a.csv', [])
    expect([await visible(), await everything()]).toEqual([{}, ['a.csv']])
    scene.proxy.heal()
    await delivery.discard('a.csv', [])
    expect(await everything()).toEqual([])
  })
})

describe('blocks', () => {
  it('have ids of one length, as long as those of other writers', () => {
    const ids = [blockId('run_1', 1, 0), blockId(`run_${'x'.repeat(60)}`, 4_000_000_000, 49_999)]
    expect(ids.map((id) => id.length)).toEqual([64, 64])
    expect(new Set(ids).size).toBe(2)
  })

  it('grow so that 50,000 of them hold a terabyte, and the memory they take stays small until then', () => {
    const sizes = Array.from({ length: 50_000 }, (_, index) => blockBytes(index))
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeGreaterThan(1e12)
    const inMemory = sizes.map((size) => size * (blocksAtOnce(size) + 1))
    expect(Math.max(...inMemory.slice(0, 30_000))).toBeLessThanOrEqual(32 * 1024 * 1024)
    expect(Math.max(...inMemory)).toBeLessThanOrEqual(128 * 1024 * 1024)
  })

  it('on their way do not pile up in memory', async () => {
    const delivery = await open({ runId: 'run_1', fence: 1 })
    const writer = await delivery.openPart('a.csv')
    const chunk = Buffer.alloc(256 * 1024, 'x')
    const before = buffersInUse()
    let most = 0
    for (let n = 0; n < 400; n += 1) {
      await writer.write(chunk)
      if (n % 10 === 0) most = Math.max(most, buffersInUse() - before)
    }
    await writer.finish()
    expect(most / 1024 / 1024).toBeLessThan(64)
  })
})
