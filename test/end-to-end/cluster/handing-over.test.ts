// A worker that stops, and one that is killed: who takes its runs over, and how soon.
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { apiOf } from '../../support/http-api.ts'
import { type PostgresServer, startPostgres } from '../../support/postgres-server.ts'
import { expectWholeFiles } from '../crash/files.ts'
import { type SeenEvent, watchRun } from '../crash/watcher.ts'
import { type Member, startMember } from './processes.ts'
import { buildScene, type ClusterScene } from './scene.ts'

const TOKEN = 'handing-over-token-0123456789'
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-handing-'))

let server: PostgresServer
let members: Member[]
let scene: ClusterScene

beforeAll(async () => {
  server = await startPostgres()
  const env = {
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
  scene = await buildScene(members[0]?.url ?? '', TOKEN)
}, 180_000)
afterAll(async () => {
  await Promise.all(members.map((one) => one.stop()))
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
const first = <T>(promises: Promise<T>[], count: number) =>
  new Promise<void>((resolve, reject) => {
    let left = count
    for (const promise of promises) {
      promise.then(() => {
        left -= 1
        if (left === 0) resolve()
      }, reject)
    }
  })
const takenOver = (story: SeenEvent[], after: number) =>
  story.filter(({ type, at }) => type === 'RETRYING' && Date.parse(at) >= after)

it('one that is killed is known to be dead well within 30 seconds', async () => {
  fs.rmSync(path.join(dir, 'exports/out'), { recursive: true, force: true })
  const { runIds, stories } = await activateAll()
  await first(stories, 3)
  const killedAt = Date.now()
  members[1]?.kill()
  const seen = await Promise.all(stories)
  for (const story of seen) {
    expect(story.map(({ seq }) => seq)).toEqual(story.map((_, place) => place + 1))
    for (const { at } of takenOver(story, killedAt)) expect(Date.parse(at) - killedAt).toBeLessThan(30_000)
  }
  expect(seen.flatMap((story) => takenOver(story, killedAt)).length).toBeGreaterThan(0)
  await expectWholeFiles(apiOf(members[0]?.url ?? '', TOKEN), runIds, { scene, dir })
}, 120_000)

it('one that is asked to stop hands its runs over, and ends well', async () => {
  fs.rmSync(path.join(dir, 'exports/out'), { recursive: true, force: true })
  await members[1]?.up()
  const { runIds, stories } = await activateAll()
  await first(stories, 3)
  expect(await members[1]?.stop()).toBe(0)
  const seen = await Promise.all(stories)
  for (const story of seen) expect(story.at(-1)).toMatchObject({ type: 'SUCCEEDED' })
  // Nobody had to find out that it is gone, and no attempt is lost by it: the next one is the first again.
  const words = seen.flatMap((story) => story.filter(({ type }) => type === 'RETRYING'))
  const handed = words.filter(({ message }) => message === 'the gateway is shutting down')
  expect(handed.length).toBeGreaterThan(0)
  expect(words.filter((event) => !handed.includes(event)).map(({ message }) => message)).toEqual(
    handed.map(() => 'attempt 1'),
  )
  await expectWholeFiles(apiOf(members[0]?.url ?? '', TOKEN), runIds, { scene, dir })
}, 120_000)
