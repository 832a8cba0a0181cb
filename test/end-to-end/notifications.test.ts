// Notifications as an operator has them: through the API of gateways that are processes of their own, one of which is
// killed between sending a message and noting it.
import { afterEach, expect, it } from 'vitest'
import { cliFolder, type RunningCli } from '../support/cli.ts'
import { type Api, apiOf, createSegment, evaluate } from '../support/http-api.ts'
import { SECRET, type WebhookReceiver, webhookReceiver } from '../support/webhook-receiver.ts'

const TOKEN = 'notification-test-token-0123456789'
const folder = cliFolder()
let receiver: WebhookReceiver | undefined
afterEach(async () => {
  await folder.dispose()
  await receiver?.close()
})

function start(command: 'serve' | 'worker', port: number): RunningCli {
  return folder.start([command], {
    ADMIN_TOKEN: TOKEN,
    LOG_LEVEL: 'trace',
    MIN_MINUTES_BEFORE_AD_HOC: '0',
    OUTBOUND_ALLOW: `http://127.0.0.1:${port}`,
  })
}

async function aDataflow(api: Api) {
  await api(
    'mutation ($input: UpsertProfilesInput!) { upsertProfiles(input: $input) { errors { message } } }',
    { input: { key: 'id', profiles: [{ id: 1, email: 'p1@example.com' }] } },
  )
  const segmentId = await createSegment(api, 'All', { attribute: { path: 'email', operator: 'EXISTS' } })
  await evaluate(api, [segmentId])
  const { createDestination } = await api<{ createDestination: { destination: { id: string } } }>(
    'mutation { createDestination(input: { name: "Disk", type: "LOCAL_DIRECTORY", settings: { path: "out" } }) { destination { id } } }',
  )
  const schedule = { frequency: 'ONCE', startDate: '2020-01-01', startTime: '00:00' }
  const { createDataflow } = await api<{ createDataflow: { dataflow: { id: string } } }>(
    'mutation ($input: CreateDataflowInput!) { createDataflow(input: $input) { dataflow { id } } }',
    {
      input: {
        name: 'Flow',
        destinationId: createDestination.destination.id,
        fields: [{ source: 'email', target: 'email' }],
        segments: [{ segmentId, schedule }],
      },
    },
  )
  return { dataflowId: createDataflow.dataflow.id, segmentIds: [segmentId] }
}

it('tells of a run in the words of its event, though the gateway dies between sending and noting', async () => {
  receiver = await webhookReceiver()
  const taker = receiver
  const first = start('serve', taker.port)
  const [, url = ''] = await first.saw(/listening on (\S+)/)
  const api = apiOf(url, TOKEN)
  const activation = await aDataflow(api)
  const { made } = await api<{ made: { notificationTarget: { id: string }; secret: string | null } }>(
    'mutation ($input: CreateNotificationTargetInput!) { made: createNotificationTarget(input: $input) { notificationTarget { id } secret errors { message } } }',
    { input: { name: 'Pager', url: taker.url, events: ['START', 'SUCCESS'], secret: SECRET } },
  )
  expect(made.secret).toBeNull()

  // The message is taken, and the gateway never learns of it.
  let killed = false
  taker.onTaken = () => {
    if (!killed) first.child.kill('SIGKILL')
    killed = true
  }
  const { activate } = await api<{ activate: { activation: { orders: { run: { id: string } }[] } | null } }>(
    'mutation ($input: ActivateInput!) { activate(input: $input) { activation { orders { run { id } } } } }',
    { input: { activations: [activation] } },
  )
  const runId = activate.activation?.orders[0]?.run.id ?? ''
  expect(runId).toMatch(/^run_/)
  const log = await first.ended
  expect(taker.taken.size).toBe(1)

  // Two go on, with one queue.
  const second = start('serve', taker.port)
  const [, next = ''] = await second.saw(/listening on (\S+)/)
  const third = start('worker', taker.port)
  await third.saw(/^working on/m)
  const again = apiOf(next, TOKEN)
  await expect.poll(() => taker.taken.size, { timeout: 40_000 }).toBe(2)
  const { id } = made.notificationTarget
  const state = async () =>
    (
      await again<{ notificationTarget: unknown }>(
        'query ($id: ID!) { notificationTarget(id: $id) { status lastError waitingMessages droppedMessages } }',
        { id },
      )
    ).notificationTarget
  await expect
    .poll(state)
    .toEqual({ status: 'ACTIVE', lastError: null, waitingMessages: 0, droppedMessages: 0 })
  expect([...taker.taken.keys()]).toEqual([`${id}_1`, `${id}_2`])
  const sent = taker.requests.map((request) => request.split(' ')[0])
  expect(sent).toEqual([`${id}_1`, `${id}_1`, `${id}_2`])
  expect(taker.requests[1]).toBe(taker.requests[0])

  // Word for word what the subscription says.
  const told = [...taker.taken.values()]
  expect(told.map(({ type }) => type)).toEqual(['dataflow.started', 'dataflow.succeeded'])
  const events = await storyOf(next, runId)
  for (const { data, timestamp } of told) {
    const event = events.find(({ cursor }) => cursor === (data as { cursor: string }).cursor)
    expect(data).toEqual(event)
    expect(timestamp).toBe(event?.at)
  }

  second.child.kill('SIGTERM')
  third.child.kill('SIGTERM')
  const said = [log, await second.ended, await third.ended]
    .map(({ stdout, stderr }) => stdout + stderr)
    .join()
  expect(said).toContain('run') // there is something to look through
  expect(said).not.toMatch(/whsec_|YSBzZWNyZXQg|@example\.com/)
  expect(said).not.toContain(taker.url)
}, 120_000)

interface StoryEvent {
  cursor: string
  at: string
}
async function storyOf(url: string, runId: string): Promise<StoryEvent[]> {
  const query = `subscription ($runId: ID!) { runEvents(runId: $runId) {
    cursor
    run { id trigger mode createdAt dataflow { id name destination { id name } } segment { id name } }
    type status phase
    progress { total received exported excluded failed bytes files percent rowsPerSecond estimatedCompletionAt }
    message at
  } }`
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: `Bearer ${TOKEN}`,
    },
    body: JSON.stringify({ query, variables: { runId } }),
  })
  const lines = (await response.text()).split('\n').filter((line) => line.startsWith('data: {'))
  return lines.flatMap((line) => JSON.parse(line.slice('data: '.length)).data?.runEvents ?? [])
}
