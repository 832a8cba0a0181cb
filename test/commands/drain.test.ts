// SIGTERM in the middle of running exports: a quick end, and the next start finishes them.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { expectWholeFiles } from '../end-to-end/crash/files.ts'
import { buildScene } from '../end-to-end/crash/scene.ts'
import { watchRun } from '../end-to-end/crash/watcher.ts'
import { startServer } from '../support/gateway-process.ts'
import { apiOf } from '../support/http-api.ts'

const TOKEN = 'drain-test-token-0123456789'
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-drain-'))
const env = { DATA_DIR: dir, ADMIN_TOKEN: TOKEN, WORKERS: '2' }
afterAll(() => fs.rmSync(dir, { recursive: true, force: true }))

test('SIGTERM while exports run ends in less than ten seconds, and a restart finishes them', async () => {
  const scene = await buildScene(dir)
  const first = await startServer(env)
  const { activate } = await apiOf(first.url, TOKEN)<{
    activate: { activation: { orders: { run: { id: string } }[] } }
  }>(
    'mutation ($input: ActivateInput!) { activate(input: $input) { activation { orders { run { id } } } } }',
    { input: { activations: scene.activations } },
  )
  const runIds = activate.activation.orders.map(({ run }) => run.id)
  const running = '{ runs(filter: { status: [PROCESSING] }) { totalCount } }'
  await expect
    .poll(() => apiOf(first.url, TOKEN)(running), { interval: 5 })
    .not.toEqual({ runs: { totalCount: 0 } })

  const began = Date.now()
  await first.stop()
  expect(Date.now() - began).toBeLessThan(10_000)
  expect(first.child.exitCode).toBe(0)
  expect(scene.phasesNow()).not.toContain('DONE')

  const second = await startServer(env)
  try {
    await Promise.all(runIds.map((runId) => watchRun({ url: () => second.url, token: TOKEN, runId })))
    await expectWholeFiles(apiOf(second.url, TOKEN), runIds, { scene, dir })
  } finally {
    await second.stop()
  }
})
