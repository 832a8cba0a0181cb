// Runs to a webhook, through the engine: every profile arrives once, whatever happens on the way, and nobody else is reached.
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sealSecrets } from '../../src/destinations/account.ts'
import { createOutbound, type Outbound } from '../../src/destinations/outbound.ts'
import { driverRegistry } from '../../src/destinations/registry.ts'
import { type RunWorker, runWorker } from '../../src/engine/worker.ts'
import { createLogger } from '../../src/logger.ts'
import { runCancel } from '../../src/storage/run-cancel.ts'
import { worldOf } from '../support/activation.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aQueuedRun, aSnapshot, runRow, untilEnded } from '../support/export-scene.ts'
import { type HttpFaultyProxy, httpFaultyProxy } from '../support/faulty-proxy.ts'
import { nameServer } from '../support/name-server.ts'
import { toLoopback } from '../support/outbound.ts'
import { SECRET, type WebhookReceiver, webhookReceiver } from '../support/webhook-receiver.ts'

const TOKEN = 'canary-token-51c0'

let test: TestDatabase
let receiver: WebhookReceiver
let proxy: HttpFaultyProxy
let logged: string
const workers: RunWorker[] = []
beforeEach(async () => {
  test = await testDatabase()
  receiver = await webhookReceiver()
  receiver.bearerToken = TOKEN
  proxy = await httpFaultyProxy(receiver.port)
  logged = ''
})
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.stop()
  await proxy.close()
  await receiver.close()
  await test.dispose()
  // Neither what it logs in with nor whom it is about.
  expect(logged).not.toMatch(/canary|whsec_|YSBzZWNyZXQg|@example\.com/)
})

const emails = (count: number) => Array.from({ length: count }, (_, n) => `p${n}@example.com`)
const taken = () => receiver.profiles().map(({ email }) => String(email))

async function aRun(people: string[], url = `http://127.0.0.1:${proxy.port}/hook`) {
  const id = test.ctx.newId('destinationAccount')
  const secrets = sealSecrets(test.ctx.vault, { secret: SECRET, bearerToken: TOKEN }, id)
  await worldOf(test, test.sandboxId).account({ id, type: 'WEBHOOK', settings: { url }, secrets })
  const settings = { profilesPerMessage: 10, messagesPerSecond: 100 }
  const destination = { id: test.ctx.newId('destination'), name: 'Hook', type: 'WEBHOOK', settings }
  return aQueuedRun(
    test,
    await aSnapshot(
      test,
      people.map((email) => ({ email })),
    ),
    {
      destination,
      accountId: id,
      fields: [{ source: 'email', target: 'email', required: true }],
      fileFormat: null,
      fileName: null,
    },
  )
}
function start(outbound: Outbound = toLoopback): RunWorker {
  const { database, ctx, exportRoot } = test
  const processId = `proc_${workers.length}`
  const log = createLogger(
    { logLevel: 'trace' },
    {
      write: (line) => {
        logged += line
      },
    },
  )
  void database.life.register(processId)
  const drivers = driverRegistry({ exportRoot, outbound })
  const { vault, clock } = ctx
  const worker = runWorker({ database, drivers, vault, clock, log, processId, concurrency: 1 })
  worker.start()
  workers.push(worker)
  return worker
}
const ended = async (id: string) => {
  await untilEnded(test, id)
  return runRow(test, id)
}

describe('a run to a webhook', () => {
  it.each([0, 1, 10, 11, 1_003])('delivers %i profiles, each once', async (count) => {
    const run = await aRun(emails(count))
    start()
    expect(await ended(run.id)).toMatchObject({ status: 'SUCCESS', exported: count, failed: 0 })
    expect(taken()).toEqual(emails(count))
    expect(receiver.requests).toHaveLength(Math.ceil(count / 10))
    const [message] = receiver.messages.values()
    if (message) {
      expect(message).toMatchObject({ type: 'profiles.activated', timestamp: run.createdAt.toISOString() })
      expect(message.data).toMatchObject({ run: { id: run.id }, segment: run.plan.segment })
    }
  })

  it.each([
    [429, { 'retry-after': '1' }],
    [500, {}],
    [503, { 'retry-after': '1' }],
  ])('tries again after %i, where it stood', async (status, headers) => {
    const run = await aRun(emails(45))
    proxy.answerNext(1, { status, headers, body: 'not now' }, () => receiver.messages.size === 2)
    start()
    expect(await ended(run.id)).toMatchObject({ status: 'SUCCESS', exported: 45 })
    expect(taken()).toEqual(emails(45))
    expect(receiver.requests).toHaveLength(5)
  })

  it.each(['cut', 'reset'] as const)(
    'survives a connection that is %s in the middle of a message',
    async (how) => {
      const run = await aRun(emails(45))
      proxy.breakAfter(900, how)
      start()
      expect(await ended(run.id)).toMatchObject({ status: 'SUCCESS', exported: 45 })
      expect(taken()).toEqual(emails(45))
    },
  )

  it('repeats a message whose answer was lost under the same id, so that it is taken once', async () => {
    const run = await aRun(emails(25))
    proxy.loseAnswers(1, () => receiver.messages.size === 1)
    start()
    expect(await ended(run.id)).toMatchObject({ status: 'SUCCESS', exported: 25 })
    expect(receiver.requests).toHaveLength(4)
    expect(receiver.requests[2]).toBe(receiver.requests[1])
    expect(taken()).toEqual(emails(25))
  })

  it.each([
    [401, 'REFUSED_LOGIN'],
    [410, 'REFUSED_WRITE'],
    [422, 'REFUSED_WRITE'],
  ])(
    "fails at once after %i, in the endpoint's words, and keeps what was delivered",
    async (status, code) => {
      const run = await aRun(emails(25))
      const body = `p12@example.com and ${TOKEN} are not wanted`
      proxy.answerNext(1, { status, body }, () => receiver.messages.size === 1)
      start()
      const row = await ended(run.id)
      expect(row).toMatchObject({
        status: 'FAILED',
        attempt: 1,
        exported: 10,
        error: { code, retryable: false },
      })
      expect(row.error?.message).toContain(`answered ${status}`)
      expect(row.error?.message).not.toMatch(/canary|@example\.com/)
      expect(taken()).toEqual(emails(10))
    },
  )

  it('ends when it is cancelled, and sends nothing more', async () => {
    const run = await aRun(emails(2_000))
    const five = new Promise<void>((resolve) => {
      receiver.onTaken = () => receiver.messages.size === 5 && resolve()
    })
    start()
    await five
    await test.database.batch(runCancel(test.database).processing(run.id, new Date()))
    const row = await ended(run.id)
    expect(row.status).toBe('CANCELLED')
    expect(row.exported).toBe(taken().length)
    expect(taken().length).toBeLessThan(2_000)
    const before = receiver.requests.length
    await sleep(100)
    expect(receiver.requests).toHaveLength(before)
  })
})

describe('an address that may not be reached', () => {
  it.each([
    'http://127.0.0.1:PORT/hook',
    'http://[::ffff:127.0.0.1]:PORT/hook',
    'https://127.1/hook',
    'https://169.254.169.254/latest',
  ])('fails the run at once, and no connection is made: %s', async (url) => {
    const run = await aRun(emails(3), url.replace('PORT', `${receiver.port}`))
    start(createOutbound({ allow: [] }))
    const row = await ended(run.id)
    expect(row).toMatchObject({
      status: 'FAILED',
      attempt: 1,
      error: { code: 'REFUSED_ADDRESS', retryable: false },
    })
    expect(row.error?.message).toContain('OUTBOUND_ALLOW=')
    expect(receiver.requests).toEqual([])
  })

  it('is refused when a name leads to it that led elsewhere when it was stored', async () => {
    const names = await nameServer()
    const inside = http.createServer((_, response) => response.end())
    let visits = 0
    inside.on('connection', () => {
      visits += 1
    })
    await new Promise<void>((resolve) => inside.listen(receiver.port, '127.0.0.2', resolve))
    try {
      names.answers.set('hooks.example.com', [['127.0.0.1'], ['127.0.0.2']])
      const outbound = createOutbound({ allow: ['http://127.0.0.1'], lookup: names.lookup })
      const url = `http://hooks.example.com:${receiver.port}/hook`
      expect(outbound.refusalOf(url)).toBeNull()
      const first = await aRun(emails(1), url)
      start(outbound)
      expect(await ended(first.id)).toMatchObject({ status: 'SUCCESS' })
      receiver.closeConnections()
      const second = await aRun(emails(1), url)
      expect(await ended(second.id)).toMatchObject({ status: 'FAILED', error: { code: 'REFUSED_ADDRESS' } })
      expect([visits, receiver.requests.length]).toEqual([0, 1])
    } finally {
      await new Promise((resolve) => inside.close(resolve))
      await names.close()
    }
  })
})
