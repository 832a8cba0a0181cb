// A webhook as its users have it: through the API of a gateway that is a process of its own, and is killed on the way.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { cliFolder, type RunningCli } from '../support/cli.ts'
import { type Api, apiOf, createSegment, evaluate } from '../support/http-api.ts'
import { SECRET, type WebhookReceiver, webhookReceiver } from '../support/webhook-receiver.ts'

const PROFILES = 2_000
const TOKEN = 'webhook-test-token-0123456789'

let receiver: WebhookReceiver
let gateway: RunningCli
let api: Api
const folder = cliFolder()
beforeEach(async () => {
  receiver = await webhookReceiver()
  await start()
})
afterEach(async () => {
  await folder.dispose()
  await receiver.close()
})

async function start() {
  gateway = folder.start(['serve'], {
    ADMIN_TOKEN: TOKEN,
    LOG_LEVEL: 'trace',
    MIN_MINUTES_BEFORE_AD_HOC: '0',
    OUTBOUND_ALLOW: `http://127.0.0.1:${receiver.port}`,
  })
  const [, url] = await gateway.saw(/listening on (\S+)/)
  api = apiOf(url ?? '', TOKEN)
}

interface Made {
  made: {
    node: { id: string; status: string } | null
    errors: { code: string; message: string; path: string[] }[]
  }
}
const make = async (mutation: string, type: string, node: string, input: object) =>
  (
    await api<Made>(
      `mutation ($input: ${type}!) { made: ${mutation}(input: $input) { node: ${node} { id } errors { code message path } } }`,
      { input },
    )
  ).made
const account = (url: string) =>
  make('createDestinationAccount', 'CreateDestinationAccountInput', 'destinationAccount', {
    name: `Hook ${url}`,
    type: 'WEBHOOK',
    settings: { url },
    secrets: { secret: SECRET },
    agreeToDataTransfer: true,
  })
async function aDataflow(accountId: string) {
  const destination = await make('createDestination', 'CreateDestinationInput', 'destination', {
    name: 'Hook',
    type: 'WEBHOOK',
    accountId,
    settings: { profilesPerMessage: 10, messagesPerSecond: 100 },
  })
  const segmentId = await createSegment(api, 'All', { attribute: { path: 'email', operator: 'EXISTS' } })
  await evaluate(api, [segmentId])
  const dataflow = await make('createDataflow', 'CreateDataflowInput', 'dataflow', {
    name: 'Flow',
    destinationId: destination.node?.id,
    fields: [
      { source: 'email', target: 'email', required: true },
      { source: 'n', target: 'n' },
    ],
    segments: [{ segmentId, schedule: { frequency: 'DAILY', startDate: '2020-01-01', startTime: '00:00' } }],
  })
  expect([destination.errors, dataflow.errors]).toEqual([[], []])
  return { dataflowId: dataflow.node?.id, segmentIds: [segmentId] }
}

it('gets every profile once, though the gateway is killed in the middle, and nobody else learns anything', async () => {
  const people = Array.from({ length: PROFILES }, (_, n) => ({ id: n, email: `p${n}@example.com`, n }))
  const imported = await api<{ upsertProfiles: { errors: unknown[] } }>(
    'mutation ($input: UpsertProfilesInput!) { upsertProfiles(input: $input) { errors { message } } }',
    { input: { key: 'id', profiles: people } },
  )
  expect(imported.upsertProfiles.errors).toEqual([])

  const { node } = await account(receiver.url)
  const verified = await api<{ verifyDestinationAccount: { destinationAccount: { status: string } } }>(
    'mutation ($id: ID!) { verifyDestinationAccount(id: $id) { destinationAccount { status } } }',
    { id: node?.id },
  )
  expect(verified.verifyDestinationAccount.destinationAccount.status).toBe('CONNECTED')

  const activations = [await aDataflow(node?.id ?? '')]
  const { activate } = await api<{ activate: { activation: { orders: { run: { id: string } }[] } } }>(
    'mutation ($input: ActivateInput!) { activate(input: $input) { activation { orders { run { id } } } } }',
    { input: { activations } },
  )
  const id = activate.activation.orders[0]?.run.id
  const logs: string[] = []
  for (const messages of [20, 60, 120]) {
    await expect.poll(() => receiver.messages.size, { timeout: 30_000 }).toBeGreaterThan(messages)
    gateway.child.kill('SIGKILL')
    const { stdout, stderr } = await gateway.ended
    logs.push(stdout, stderr)
    await start()
  }
  const run = async () =>
    (
      await api<{ run: unknown }>(
        'query ($id: ID!) { run(id: $id) { status progress { exported failed } } }',
        { id },
      )
    ).run
  await expect
    .poll(run, { timeout: 60_000, interval: 100 })
    .toEqual({ status: 'SUCCESS', progress: { exported: PROFILES, failed: 0 } })
  expect(receiver.profiles()).toEqual(people.map(({ email, n }) => ({ email, n })))

  gateway.child.kill('SIGTERM')
  const { stdout, stderr } = await gateway.ended
  const said = [...logs, stdout, stderr].join()
  expect(said).toContain('run') // there is something to look through
  expect(said).not.toMatch(/whsec_|YSBzZWNyZXQg|@example\.com/)
}, 120_000)

it('cannot be stored with an address that may not be reached', async () => {
  for (const url of [
    'https://127.0.0.1/',
    'http://127.0.0.1:1/',
    'http://hooks.example.com/',
    'https://[::ffff:169.254.169.254]/',
    'https://metadata.google.internal/',
    'https://0x7f.1:22/',
    'https://user@hooks.example.com/',
    'hooks.example.com',
  ]) {
    const path = ['input', 'settings', 'url']
    const message = expect.stringMatching(/\w/)
    expect(await account(url), url).toEqual({
      node: null,
      errors: [{ code: 'INVALID_INPUT', path, message }],
    })
  }
})
