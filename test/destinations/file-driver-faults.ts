// What every driver that delivers files must live through, end to end: the gateway as a process of its own, a real
// server, and between them a proxy that misbehaves.
import { createHash } from 'node:crypto'
import { parse } from 'csv-parse/sync'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  type DeliveryWorld,
  deliveryWorld,
  LIMIT,
  type SegmentName,
  SIZES,
  type WorldDestination,
} from '../support/delivery-world.ts'
import type { FaultyProxy, HttpFaultyProxy } from '../support/faulty-proxy.ts'

export interface FaultSetup {
  destination: WorldDestination
  /** Between the gateway and the server; null: there is no network between them. */
  proxy: FaultyProxy | HttpFaultyProxy | null
  /** Everything in the destination's folder that a user of the place sees, by name. */
  files(exportRoot: string): Promise<Map<string, Buffer>>
  /** What else is there: uploads that were not completed, temporary files. */
  leftovers(exportRoot: string): Promise<string[]>
  /** Empties the place. */
  clear(exportRoot: string): Promise<void>
  /** Texts that nobody may ever see again: passwords, keys, as they are written. */
  secrets: string[]
  close(): Promise<void>
}

const MB = 1_000_000
const isHttp = (proxy: FaultSetup['proxy']): proxy is HttpFaultyProxy =>
  proxy !== null && 'answerNext' in proxy

/** `over` says which of the suite's parts make sense, before a server is there; the others are no tests at all. */
export function fileDriverFaults(
  name: string,
  { over, start }: { over: 'nothing' | 'tcp' | 'http'; start(): Promise<FaultSetup> },
): void {
  const ifRemote = over === 'nothing' ? null : { describe, it }
  const ifHttp = over === 'http' ? { describe } : null
  describe(`${name}, end to end`, () => {
    let setup: FaultSetup
    let world: DeliveryWorld
    beforeAll(async () => {
      setup = await start()
      world = await deliveryWorld(setup.destination)
    }, 60_000)
    afterEach(async () => {
      setup.proxy?.heal()
      await setup.clear(world.exportRoot)
    })
    afterAll(async () => {
      await world?.stop()
      await setup?.close()
    })

    const proxy = () => {
      if (!setup.proxy) throw new Error('there is no proxy')
      return setup.proxy
    }
    const http = () => {
      if (!isHttp(setup.proxy)) throw new Error('the proxy knows no HTTP')
      return setup.proxy
    }
    const deliver = async (segment: SegmentName) => world.end(await world.begin(segment))

    /** The run's files and its manifest are there, whole, with the right rows, and nothing else is. */
    async function expectComplete(id: string, segment: SegmentName): Promise<void> {
      const run = await world.run(id)
      expect(run).toMatchObject({ status: 'SUCCESS', error: null })
      const files = await setup.files(world.exportRoot)
      const rows = run.files.flatMap((file) => {
        const bytes = files.get(file.name) ?? Buffer.alloc(0)
        const sha256 = createHash('sha256').update(bytes).digest('hex')
        expect([file.name, bytes.length, sha256]).toEqual([file.name, file.bytes, file.sha256])
        const [header, ...found] = parse(bytes) as string[][]
        expect([header, found.length]).toEqual([['email', 'n', 'note'], file.rows])
        return found
      })
      const numbers = rows.map(([, n]) => Number(n)).sort((a, b) => a - b)
      expect(numbers).toEqual(Array.from({ length: SIZES[segment] }, (_, i) => i + 1))
      const manifest = `${run.files[0]?.name}.manifest.json`
      expect([...files.keys()].sort()).toEqual([...run.files.map((file) => file.name), manifest].sort())
      const described = JSON.parse(`${files.get(manifest)}`)
      expect(described).toMatchObject({
        run: id,
        rows: rows.length,
        files: run.files.map(({ name, rows, bytes, sha256 }) => ({ name, rows, bytes, sha256 })),
      })
      expect(await setup.leftovers(world.exportRoot)).toEqual([])
    }
    const expectNothing = async () => {
      expect([...(await setup.files(world.exportRoot)).keys()]).toEqual([])
      expect(await setup.leftovers(world.exportRoot)).toEqual([])
    }

    it.each([
      ['NONE', [0]],
      ['ONE', [1]],
      ['LIMIT', [LIMIT]],
      ['MORE', [LIMIT, 1]],
    ] as const)('delivers a segment of the size %s in files of %j rows', async (segment, rows) => {
      const run = await deliver(segment)
      expect(run.files.map((file) => file.rows)).toEqual(rows)
      await expectComplete(run.id, segment)
    })

    ifRemote?.describe('over a network', () => {
      it.each(['cut', 'reset'] as const)(
        'that is %s in the middle, delivers all the same',
        async (how) => {
          const connections = proxy().connections()
          proxy().breakAfter(7 * MB, how)
          const run = await deliver('LARGE')
          expect(proxy().connections()).toBeGreaterThan(connections)
          await expectComplete(run.id, 'LARGE')
        },
        60_000,
      )

      it('stops in the middle when it is cancelled, and leaves nothing', async () => {
        const id = await inTheMiddle(7 * MB)
        await world.order('cancelRun', id)
        proxy().heal()
        expect(await world.end(id)).toMatchObject({ status: 'CANCELLED', files: [] })
        await expectNothing()
      }, 60_000)
    })

    ifHttp?.describe('to a server that', () => {
      const aWrite = ({ method }: { method?: string | undefined }) => method === 'PUT' || method === 'POST'

      it('refuses the login, fails at once in its words, and delivers when it is mended', async () => {
        http().answerNext(Infinity, { status: 401, body: 'Go away' }, aWrite)
        const failed = await deliver('ONE')
        expect(failed).toMatchObject({ status: 'FAILED', attempt: 1, files: [] })
        expect(failed.error).toMatchObject({ code: 'REFUSED_LOGIN', retryable: false })
        expect(failed.error?.message).toMatch(/401/)
        http().heal()
        await expectNothing()
        const id = await world.order('retryRun', failed.id)
        await world.end(id)
        await expectComplete(id, 'ONE')
      })

      it.each([
        ['throttles', { status: 429, headers: { 'retry-after': '1' } }],
        ['is too busy', { status: 503 }],
        ['fails', { status: 500 }],
      ])(
        '%s gets what it is to have when it is better',
        async (_, answer) => {
          const asked = http().requests()
          http().answerNext(2, answer, aWrite)
          const run = await deliver('MORE')
          expect(http().requests()).toBeGreaterThan(asked + 2)
          await expectComplete(run.id, 'MORE')
        },
        60_000,
      )

      it('answers, and is not heard, has one of everything', async () => {
        http().loseAnswers(2, aWrite)
        const run = await deliver('MORE')
        await expectComplete(run.id, 'MORE')
      }, 60_000)
    })

    describe('killed with SIGKILL', () => {
      const again = async (id: string) => {
        setup.proxy?.heal()
        await world.start()
        await world.end(id)
        await expectComplete(id, 'LARGE')
      }

      ifRemote?.it.each([0.2, 6, 12])(
        'after %d megabytes, has delivered once in the end',
        async (megabytes) => {
          const id = await inTheMiddle(megabytes * MB)
          await world.kill()
          await again(id)
        },
        60_000,
      )

      ifRemote?.it(
        'three times in one run, has delivered once in the end',
        async () => {
          const id = await inTheMiddle(2 * MB)
          await world.kill()
          for (const megabytes of [1, 4]) {
            stallAfter(megabytes * MB)
            await world.start()
            await untilStalled()
            await world.kill()
          }
          await again(id)
        },
        60_000,
      )

      it('at any time until the end, has delivered once in the end', async () => {
        const began = Date.now()
        const { id } = await deliver('LARGE')
        await expectComplete(id, 'LARGE')
        const undisturbed = Date.now() - began
        for (const share of [0.5, 0.85, 1]) {
          await setup.clear(world.exportRoot)
          const id = await world.begin('LARGE')
          await new Promise((resolve) => setTimeout(resolve, undisturbed * share))
          await world.kill()
          await again(id)
        }
      }, 120_000)
    })

    it('tells nobody what it logs in with: no log, no answer, no row of the database', () => {
      const said = world.everythingSaid()
      expect(said.map(({ place }) => place)).toEqual(
        expect.arrayContaining(['gateway.log', 'gateway.db', 'answers']),
      )
      for (const { place, content } of said) {
        expect(content.length, place).toBeGreaterThan(100)
        const found = setup.secrets.flatMap(formsOf).filter((form) => content.includes(form))
        expect(found, place).toEqual([])
      }
    })

    let stalledFrom = 0
    function stallAfter(bytes: number): void {
      stalledFrom = proxy().sent() + bytes
      proxy().breakAfter(bytes, 'stall', Infinity)
    }
    async function untilStalled(): Promise<void> {
      while (proxy().sent() < stalledFrom) await new Promise((resolve) => setTimeout(resolve, 10))
    }
    /** A run whose delivery stands still after so many bytes. */
    async function inTheMiddle(bytes: number): Promise<string> {
      stallAfter(bytes)
      const id = await world.begin('LARGE')
      await untilStalled()
      expect((await world.run(id)).status).toBe('PROCESSING')
      return id
    }
  })
}

/** As it is, and as it looks in JSON, in an address, and in base64. */
function formsOf(secret: string): string[] {
  const inJson = JSON.stringify(secret).slice(1, -1)
  return [secret, inJson, encodeURIComponent(secret), Buffer.from(secret).toString('base64')]
}
