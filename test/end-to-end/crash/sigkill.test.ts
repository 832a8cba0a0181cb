// The whole process is killed with SIGKILL at fifty points of an activation of several segments, from the moment it is
// asked for to after its end, and started again. Each time every run must end well, once, with its files whole, and
// whoever watched must have seen one story without a gap.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Server, startServer } from '../../support/gateway-process.ts'
import { apiOf } from '../../support/http-api.ts'
import { expectWholeFiles, outFolder } from './files.ts'
import { buildScene, type Scene } from './scene.ts'
import { watchRun } from './watcher.ts'

const KILLS = 50
const TOKEN = 'crash-test-token-0123456789'
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-crash-'))
const env = { DATA_DIR: dir, ADMIN_TOKEN: TOKEN, WORKERS: '2' }

let scene: Scene
let server: Server
/** Milliseconds from the request to the end of the last run when nobody disturbs. */
let undisturbed: number
/** In which phase the kills found runs. */
const found = new Map<string, number>()

const start = async () => {
  server = await startServer(env)
}
const kill = () =>
  new Promise<void>((resolve) => {
    server.child.once('close', () => resolve())
    server.child.kill('SIGKILL')
  })

/** Asks until it is answered: the key makes sure that it is one activation. */
async function activate(idempotencyKey: string): Promise<string[]> {
  for (;;) {
    try {
      const { activate } = await apiOf(server.url, TOKEN)<{
        activate: { activation: { orders: { run: { id: string } }[] } | null; errors: unknown[] }
      }>(
        `mutation ($input: ActivateInput!) {
          activate(input: $input) { activation { orders { run { id } } } errors { code message } }
        }`,
        { input: { activations: scene.activations, idempotencyKey } },
      )
      expect(activate.errors).toEqual([])
      return activate.activation?.orders.map(({ run }) => run.id) ?? []
    } catch (error) {
      if (error instanceof Error && error.name === 'AssertionError') throw error
      await new Promise((resolve) => setTimeout(resolve, 20)) // the server is gone, or not there yet
    }
  }
}

beforeAll(async () => {
  scene = await buildScene(dir)
  await start()
  const began = Date.now()
  const runIds = await activate('undisturbed')
  await Promise.all(runIds.map((id) => watchRun({ url: () => server.url, token: TOKEN, runId: id })))
  undisturbed = Date.now() - began
  await expectWholeFiles(apiOf(server.url, TOKEN), runIds, { scene, dir })
}, 60_000)

afterAll(async () => {
  await kill()
  console.log(
    `kills found runs in: ${JSON.stringify(Object.fromEntries(found))}; undisturbed ${undisturbed} ms`,
  )
  fs.rmSync(dir, { recursive: true, force: true })
})

describe('SIGKILL', () => {
  it.each(Array.from({ length: KILLS }, (_, n) => n))(
    'number %i loses nothing and doubles nothing',
    async (n) => {
      fs.rmSync(outFolder(dir), { recursive: true, force: true })
      const asked = activate(`kill-${n}`)
      // The first kills hit the request itself, the last ones what follows the end.
      await new Promise((resolve) => setTimeout(resolve, (undisturbed * 1.1 * n) / KILLS))
      await kill()
      for (const phase of scene.phasesNow()) found.set(phase, (found.get(phase) ?? 0) + 1)
      const killedAt = Date.now()
      await start()
      const restartedAt = Date.now()
      const runIds = await asked
      const stories = await Promise.all(
        runIds.map((id) => watchRun({ url: () => server.url, token: TOKEN, runId: id })),
      )
      for (const story of stories) {
        expect(story.map(({ seq }) => seq)).toEqual(story.map((_, index) => index + 1))
        expect(story.at(-1)).toMatchObject({ type: 'SUCCEEDED', message: null })
        const received = story.map((event) => event.received)
        expect(received).toEqual([...received].sort((a, b) => a - b))
        // Where the kill interrupted a run, it goes on soon after the restart.
        const resumed = story.find((event) => event.type === 'RETRYING' && Date.parse(event.at) > killedAt)
        if (resumed) expect(Date.parse(resumed.at) - restartedAt).toBeLessThan(2_000)
      }
      await expectWholeFiles(apiOf(server.url, TOKEN), runIds, { scene, dir })
    },
    60_000,
  )

  it('has hit runs while they were read, delivered and published', () => {
    const active = [...found.entries()]
      .filter(([phase]) => phase !== 'DONE')
      .reduce((sum, [, count]) => sum + count, 0)
    expect(active).toBeGreaterThan(KILLS / 2)
    expect([...found.keys()]).toEqual(expect.arrayContaining(['DELIVERING']))
  })
})
