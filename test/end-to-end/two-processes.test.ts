// Two servers on one SQLite file: each run is done once, and each server's clients see all of it.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Server, startServer } from '../support/gateway-process.ts'
import { apiOf } from '../support/http-api.ts'
import { expectWholeFiles } from './crash/files.ts'
import { buildScene, type Scene } from './crash/scene.ts'
import { watchRun } from './crash/watcher.ts'

const TOKEN = 'two-processes-token-0123456789'
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-two-'))
const env = { DATA_DIR: dir, ADMIN_TOKEN: TOKEN, WORKERS: '1' }
let scene: Scene
let servers: [Server, Server]

beforeAll(async () => {
  scene = await buildScene(dir)
  servers = [await startServer(env), await startServer(env)]
}, 60_000)
afterAll(async () => {
  for (const server of servers ?? []) await server.stop()
  fs.rmSync(dir, { recursive: true, force: true })
})

it('share the work and the news', async () => {
  const [one, two] = servers
  const answer = await apiOf(one.url, TOKEN)<{
    activate: { activation: { orders: { run: { id: string } }[] } }
  }>(
    `mutation ($input: ActivateInput!) {
      activate(input: $input) { activation { orders { run { id } } } errors { message } } }`,
    { input: { activations: scene.activations } },
  )
  const runIds = answer.activate.activation.orders.map(({ run }) => run.id)
  const watched = servers.flatMap(({ url }) =>
    runIds.map((runId) => watchRun({ url: () => url, token: TOKEN, runId })),
  )
  const stories = await Promise.all(watched)
  for (const [index, story] of stories.entries()) {
    expect(story.map(({ seq }) => seq)).toEqual(story.map((_, place) => place + 1))
    expect(
      story.map(({ type }) => type).filter((type) => type !== 'PROGRESS' && type !== 'FILE_DELIVERED'),
    ).toEqual(['QUEUED', 'STARTED', 'SUCCEEDED'])
    expect(story).toEqual(stories[index % runIds.length])
  }
  await expectWholeFiles(apiOf(two.url, TOKEN), runIds, { scene, dir })
}, 60_000)

it('refuse the same run twice whichever is asked', async () => {
  const [first] = scene.activations
  const input = { activations: [{ ...first, segmentIds: first?.segmentIds.slice(0, 1) }] }
  const ask = (url: string) =>
    apiOf(url, TOKEN)<{ activate: { activation: { id: string } | null; errors: { code: string }[] } }>(
      'mutation ($input: ActivateInput!) { activate(input: $input) { activation { id } errors { code } } }',
      { input },
    )
  const answers = await Promise.all(servers.flatMap(({ url }) => [ask(url), ask(url), ask(url)]))
  const accepted = answers.filter(({ activate }) => activate.activation)
  const refused = answers.flatMap(({ activate }) => activate.errors.map(({ code }) => code))
  // A run of two hundred milliseconds may end, and make room for another, before the last one asks.
  expect(accepted.length).toBeGreaterThan(0)
  expect(accepted.length + refused.length).toBe(6)
  expect(new Set(refused)).toEqual(new Set(['RUN_IN_PROGRESS']))
})
