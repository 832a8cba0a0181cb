// A worker that stops, and one that is killed: who takes its runs over, and how soon.
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { apiOf } from '../../support/http-api.ts'
import { type PostgresServer, startPostgres } from '../../support/postgres-server.ts'
import { expectWholeFiles } from '../crash/files.ts'
import { type SeenEvent, watchRun } from '../crash/watcher.ts'
import { type Member, startMember } from './processes.ts'
import { buildScene, type ClusterScene } from './scene.ts'

const ROUNDS = 10
const TOKEN = 'handing-over-token-0123456789'
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-handing-'))

let server: PostgresServer
let env: Record<string, string>
let members: Member[]
let database: pg.Client
let scene: ClusterScene

beforeAll(async () => {
  server = await startPostgres()
  env = {
    DATABASE_URL: server.url,
    DATA_DIR: dir,
    EXPORT_ROOT: path.join(dir, 'exports'),
    SECRETS_KEY: randomBytes(32).toString('base64'),
    ADMIN_TOKEN: TOKEN,
    WORKERS: '1',
    MIN_MINUTES_BEFORE_AD_HOC: '0',
  }
  members = [
    startMember({ name: 'gateway', command: 'serve', env }),
    startMember({ name: 'worker', command: 'worker', env }),
  ]
  await Promise.all(members.map((one) => one.up()))
  database = new pg.Client({ connectionString: server.url })
  await database.connect()
  scene = await buildScene(members[0]?.url ?? '', TOKEN)
}, 180_000)
afterAll(async () => {
  await Promise.all(members.map((one) => one.stop()))
  await database?.end()
  await server.stop()
  fs.rmSync(dir, { recursive: true, force: true })
})

/** Activates everything there is; the stories of the runs, as they grow. */
async function activateAll() {
  const api = apiOf(members[0]?.url ?? '', TOKEN)
  const orders = new Map<string, string[]>()
  for (const { dataflowId, segmentId } of scene.targets) {
    orders.set(dataflowId, [...(orders.get(dataflowId) ?? []), segmentId])
  }
  const { activate } = await api<{
    activate: { activation: { orders: { run: { id: string } }[] } | null; errors: unknown[] }
  }>(
    `mutation ($input: ActivateInput!) {
      activate(input: $input) { activation { orders { run { id } } } errors { code message } } }`,
    { input: { activations: [...orders].map(([dataflowId, segmentIds]) => ({ dataflowId, segmentIds })) } },
  )
  expect(activate.errors).toEqual([])
  const runIds = activate.activation?.orders.map(({ run }) => run.id) ?? []
  const stories = runIds.map((runId) =>
    watchRun({ url: () => members[0]?.url ?? '', token: TOKEN, runId, patienceMs: 90_000 }),
  )
  return { runIds, stories }
}
/** Resolves when both processes hold a run, or when nothing is left to be held. */
async function bothWork(): Promise<void> {
  for (let isOver = false; !isOver; ) {
    const { rows } = await database.query(
      "select count(distinct lease_owner)::int owners, count(*)::int active from runs where status in ('QUEUED', 'PROCESSING')",
    )
    isOver = rows[0].owners >= 2 || rows[0].active === 0
  }
}
/** Repeats what has to come at the right moment, until it has: between a look and a signal a run may end. */
async function untilSome<T>(round: () => Promise<T[]>): Promise<T[]> {
  for (let rounds = 1; ; rounds += 1) {
    const found = await round()
    if (found.length > 0 || rounds === ROUNDS) return found
  }
}
const takenOver = (story: SeenEvent[], after: number) =>
  story.filter(({ type, at }) => type === 'RETRYING' && Date.parse(at) >= after)

it('one that is killed is known to be dead well within 30 seconds', async () => {
  const taken = await untilSome(async () => {
    fs.rmSync(path.join(dir, 'exports/out'), { recursive: true, force: true })
    await members[1]?.up()
    const { runIds, stories } = await activateAll()
    await bothWork()
    const killedAt = Date.now()
    members[1]?.kill()
    const seen = await Promise.all(stories)
    for (const story of seen) expect(story.map(({ seq }) => seq)).toEqual(story.map((_, place) => place + 1))
    await expectWholeFiles(apiOf(members[0]?.url ?? '', TOKEN), runIds, { scene, dir })
    return seen.flatMap((story) => takenOver(story, killedAt)).map(({ at }) => Date.parse(at) - killedAt)
  })
  expect(taken.length).toBeGreaterThan(0)
  expect(Math.max(...taken)).toBeLessThan(30_000)
}, 240_000)

it('one that is asked to stop hands its runs over, and ends well', async () => {
  await members[1]?.stop()
  const words = await untilSome(async () => {
    fs.rmSync(path.join(dir, 'exports/out'), { recursive: true, force: true })
    members[1] = startMember({ name: 'worker', command: 'worker', env })
    await members[1].up()
    const { runIds, stories } = await activateAll()
    await bothWork()
    expect(await members[1].stop()).toBe(0)
    const seen = await Promise.all(stories)
    for (const story of seen) expect(story.at(-1)).toMatchObject({ type: 'SUCCEEDED' })
    await expectWholeFiles(apiOf(members[0]?.url ?? '', TOKEN), runIds, { scene, dir })
    return seen.flatMap((story) => story.filter(({ type }) => type === 'RETRYING'))
  })
  // Nobody had to find out that it is gone, and no attempt is lost by it: the next one is the first again.
  const handed = words.filter(({ message }) => message === 'the gateway is shutting down')
  expect(handed.length).toBeGreaterThan(0)
  expect(words.filter((event) => !handed.includes(event)).map(({ message }) => message)).toEqual(
    handed.map(() => 'attempt 1'),
  )
}, 240_000)
