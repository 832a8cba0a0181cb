// A server that freezes in the middle of an export, is taken over, and thaws: its writes are refused, and the file of
// whoever took over stays as it is.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Server, startServer } from '../support/gateway-process.ts'
import { apiOf } from '../support/http-api.ts'
import { expectWholeFiles } from './crash/files.ts'
import { buildScene, type Scene } from './crash/scene.ts'
import { watchRun } from './crash/watcher.ts'

const TOKEN = 'frozen-test-token-0123456789'
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-frozen-'))
const env = { DATA_DIR: dir, ADMIN_TOKEN: TOKEN, WORKERS: '1' }
let scene: Scene
const servers: Server[] = []

const start = async () => {
  const server = await startServer(env)
  servers.push(server)
  return server
}
beforeAll(async () => {
  scene = await buildScene(dir)
}, 60_000)
afterAll(() => {
  for (const { child } of servers) child.kill('SIGKILL') // a frozen process hears nothing else
  fs.rmSync(dir, { recursive: true, force: true })
})

/** The run that the only server works on, as the database has it; null while there is none. */
function inHand(db: BetterSqlite.Database) {
  const sql =
    "select id, received, attempt from runs where status = 'PROCESSING' and received > 0 and phase <> 'FINALIZING'"
  return db.prepare(sql).get() as { id: string; attempt: number } | undefined
}

function canWrite(db: BetterSqlite.Database): boolean {
  try {
    db.exec('begin immediate; rollback')
    return true
  } catch {
    return false
  }
}

const alive = (url: string) =>
  fetch(`${url}/healthz`).then(
    ({ ok }) => ok,
    () => false,
  )

it('has its run taken over when its lease is out, and spoils nothing when it comes back', async () => {
  const frozen = await start()
  const db = new BetterSqlite(path.join(dir, 'gateway.db'), { timeout: 0 })
  const answer = await apiOf(frozen.url, TOKEN)<{
    activate: { activation: { orders: { run: { id: string } }[] } }
  }>(
    `mutation ($input: ActivateInput!) {
      activate(input: $input) { activation { orders { run { id } } } errors { message } } }`,
    { input: { activations: scene.activations } },
  )
  const runIds = answer.activate.activation.orders.map(({ run }) => run.id)
  // Frozen while it exports, and not while it holds the database's write lock: that would stop everybody.
  let held: ReturnType<typeof inHand>
  for (;;) {
    frozen.child.kill('SIGSTOP')
    held = inHand(db)
    if (held && canWrite(db)) break
    frozen.child.kill('SIGCONT')
    await new Promise((resolve) => setTimeout(resolve, 3))
  }
  const frozenAt = Date.now()
  const taker = await start()
  const stories = await Promise.all(
    runIds.map((runId) => watchRun({ url: () => taker.url, token: TOKEN, runId })),
  )
  const story = stories[runIds.indexOf(held.id)]
  expect(story?.at(-1)?.type).toBe('SUCCEEDED')
  const takenOver = story?.find((event) => event.type === 'RETRYING')
  // It lives, so its lease of thirty seconds holds: the others' runs do not wait for it.
  expect(Date.parse(takenOver?.at ?? '') - frozenAt).toBeGreaterThan(15_000)
  await expectWholeFiles(apiOf(taker.url, TOKEN), runIds, { scene, dir })
  frozen.child.kill('SIGCONT')
  // It answers again, and by then has tried to write on.
  await expect.poll(() => alive(frozen.url), { timeout: 10_000 }).toBe(true)
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  await expectWholeFiles(apiOf(frozen.url, TOKEN), runIds, { scene, dir })
  const attempts = db.prepare('select attempt from runs where id = ?').pluck().get(held.id)
  expect(attempts).toBe(held.attempt + 1)
  db.close()
}, 90_000)
