// Three gateways and three workers on one PostgreSQL, killed at random while clients activate and watch, and the
// database itself is restarted, once as after a crash. Nothing may be lost, and nothing may come twice.
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { apiOf } from '../../support/http-api.ts'
import { type PostgresServer, startPostgres } from '../../support/postgres-server.ts'
import { randomNumbers } from '../../support/random.ts'
import { expectWholeFiles } from '../crash/files.ts'
import { type SeenEvent, watchRun } from '../crash/watcher.ts'
import { type Member, startMember } from './processes.ts'
import { buildScene, type ClusterScene, GROUPS } from './scene.ts'

const ACTIVATIONS = 200
const CLIENTS = 10
const RESTARTS = 2
const PATIENCE_MS = 90_000
/** What is counted is runs, so that neither a slow machine nor a quick one is killed more or less often. */
const KILLS = 16
const RUNS_PER_KILL = ACTIVATIONS / (KILLS + 1)
/** How far the clients may be ahead of the disturbance: they are to be at work when it comes. */
const AHEAD = 2 * CLIENTS
const MAX_DOWN = 2
const SEED = Number(process.env.CHAOS_SEED ?? 20_261_123)
const TOKEN = 'chaos-test-token-0123456789'
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-chaos-'))

let server: PostgresServer
let gateways: Member[]
let workers: Member[]
let scene: ClusterScene

beforeAll(async () => {
  // What is committed is kept: here, a crash of the database is part of the test.
  server = await startPostgres({ synchronous_commit: 'on' })
  const env = {
    DATABASE_URL: server.url,
    DATA_DIR: dir,
    EXPORT_ROOT: path.join(dir, 'exports'),
    SECRETS_KEY: randomBytes(32).toString('base64'),
    ADMIN_TOKEN: TOKEN,
    WORKERS: '1',
    MIN_MINUTES_BEFORE_AD_HOC: '0',
  }
  const member = (command: 'serve' | 'worker') => (n: number) =>
    startMember({ name: `${command} ${n}`, command, env })
  gateways = [1, 2, 3].map(member('serve'))
  workers = [1, 2, 3].map(member('worker'))
  await Promise.all([...gateways, ...workers].map((one) => one.up()))
  scene = await buildScene(gateways[0]!.url, TOKEN)
}, 240_000)

afterAll(async () => {
  await Promise.all([...gateways, ...workers].map((one) => one.stop()))
  await server.stop()
  fs.rmSync(dir, { recursive: true, force: true })
})

it('loses nothing and doubles nothing', async () => {
  const stories = new Map<string, SeenEvent[][]>()
  let activated = 0
  const client = async (n: number) => {
    const own = scene.targets.filter((_, place) => place % CLIENTS === n)
    for (let round = 0; round < ACTIVATIONS / GROUPS; round += 1) {
      for (const target of own) {
        while (stories.size > chaos.nextAt() + AHEAD) await sleep(20)
        const runId = await activate(target, `${target.segmentId}-${round}`)
        activated += 1
        const watching = gateways.map((gateway) =>
          watchRun({ url: () => gateway.url, token: TOKEN, runId, patienceMs: PATIENCE_MS }),
        )
        stories.set(runId, await Promise.all(watching))
      }
    }
  }
  const chaos = disturbance(() => stories.size)
  await Promise.all([chaos.run(), ...Array.from({ length: CLIENTS }, (_, n) => client(n))])

  expect([activated, stories.size]).toEqual([ACTIVATIONS, ACTIVATIONS])
  expect(chaos.restarts()).toBe(RESTARTS)
  expect([...gateways, ...workers].reduce((sum, { kills }) => sum + kills, 0)).toBe(KILLS)
  for (const seen of stories.values()) {
    const [story, ...others] = seen
    expect(story?.map(({ seq }) => seq)).toEqual(story?.map((_, place) => place + 1))
    expect(story?.at(-1)).toMatchObject({ type: 'SUCCEEDED' })
    for (const other of others) expect(other).toEqual(story)
  }
  await Promise.all(gateways.map((gateway) => gateway.up()))
  await expectWholeFiles(apiOf(gateways[0]!.url, TOKEN), [...stories.keys()], { scene, dir })
}, 240_000)

/** Kills every few runs; halts the database after a third of the kills, and crashes it after two thirds. */
function disturbance(done: () => number) {
  const random = randomNumbers(SEED)
  const all = [...gateways, ...workers]
  let nextAt = 2
  let restarts = 0
  return {
    /** So many runs are to be done when it comes again. */
    nextAt: () => nextAt,
    restarts: () => restarts,
    async run(): Promise<void> {
      for (let kills = 1; kills <= KILLS; kills += 1) {
        while (done() < nextAt) await sleep(20)
        await sleep(300 * random()) // wherever the others are then
        // Starting takes its time: some are to be there, and each is to get to work.
        let up = all.filter(({ isUp }) => isUp)
        while (up.length <= all.length - MAX_DOWN) {
          await sleep(20)
          up = all.filter(({ isUp }) => isUp)
        }
        up[Math.floor(random() * up.length)]?.kill()
        if (kills >= ((restarts + 1) * KILLS) / (RESTARTS + 1) && restarts < RESTARTS) {
          await (restarts === 0 ? server.halt() : server.crash())
          await sleep(500)
          await server.start()
          restarts += 1
        }
        nextAt = RUNS_PER_KILL * (kills + random())
      }
      nextAt = Number.POSITIVE_INFINITY
    },
  }
}

/** Asks two gateways under one key, until one answers: it is one activation, whoever is asked. */
async function activate(target: { dataflowId: string; segmentId: string }, key: string): Promise<string> {
  const [first = gateways[0]!, second = gateways[1]!] = shuffled(gateways)
  const answers = await Promise.all([ask(first, target, key), ask(second, target, key)])
  expect(answers[0]).toBe(answers[1])
  return answers[0]
}

async function ask(
  gateway: Member,
  { dataflowId, segmentId }: { dataflowId: string; segmentId: string },
  idempotencyKey: string,
): Promise<string> {
  const began = Date.now()
  for (;;) {
    try {
      const { activate } = await apiOf(gateway.url, TOKEN)<{
        activate: { activation: { orders: { run: { id: string } }[] } | null; errors: { code: string }[] }
      }>(
        `mutation ($input: ActivateInput!) {
          activate(input: $input) { activation { orders { run { id } } } errors { code message } } }`,
        { input: { activations: [{ dataflowId, segmentIds: [segmentId] }], idempotencyKey } },
      )
      expect(activate.errors).toEqual([])
      return activate.activation?.orders[0]?.run.id ?? ''
    } catch (error) {
      if ((error as Error).name === 'AssertionError' || Date.now() - began > PATIENCE_MS) throw error
      await sleep(100) // the gateway or the database is gone for now
    }
  }
}

const shuffled = <T>(values: T[]): T[] => [...values].sort(() => Math.random() - 0.5)
