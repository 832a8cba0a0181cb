import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DeliveryTarget, SentProfile } from '../../src/destinations/driver.ts'
import { createOutbound } from '../../src/destinations/outbound.ts'
import { webhook } from '../../src/destinations/webhook/driver.ts'
import { deliveryTarget } from '../support/delivery-target.ts'
import { toLoopback } from '../support/outbound.ts'
import { SECRET, type WebhookReceiver, webhookReceiver } from '../support/webhook-receiver.ts'
import { deliverAll, profileDriverContract } from './profile-driver-contract.ts'

const driver = webhook({ outbound: toLoopback })
const fields = [
  { source: 'email', target: 'email', required: true },
  { source: 'age', target: 'age', required: false },
]
let receiver: WebhookReceiver
beforeEach(async () => {
  receiver = await webhookReceiver()
})
afterEach(() => receiver.close())

const account = (secrets: Record<string, unknown> = {}) => ({
  settings: { url: receiver.url },
  secrets: { secret: SECRET, ...secrets },
})
const TOO_LONG = 'x'.repeat(300_000)

profileDriverContract('WEBHOOK', () => ({
  driver,
  settings: { profilesPerMessage: 3, messagesPerSecond: 10 },
  account: account(),
  fields,
  values: (n) => [`p${n}@example.com`, n],
  refusedValues: [TOO_LONG, 1],
  keyOf: ([email]) => String(email),
  stored: () => receiver.profiles().map(({ email }) => String(email)),
  requests: () => receiver.requests,
  answerNext: ({ status, retryAfterSeconds }) => {
    const headers = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }
    receiver.answers.push({ status, headers })
  },
  fallSilent: () => {
    receiver.isSilent = true
  },
}))

const people = (count: number, change: (n: number) => unknown[] = (n) => [`p${n}@example.com`, n]) =>
  Array.from({ length: count }, (_, n) => ({ profileId: n + 1, values: change(n) })) as SentProfile[]
const open = async (target: Partial<DeliveryTarget> = {}, of = driver) => {
  const given = deliveryTarget({
    runId: 'run_1',
    fence: 1,
    settings: driver.settings.parse({}),
    account: { ...account(), details: null },
    fields,
    ...target,
  })
  const delivery = await of.deliverProfiles?.(given)
  if (!delivery) throw new Error('it delivers profiles')
  return delivery
}
const failure = (work: Promise<unknown>) =>
  work.then(
    () => null,
    (thrown: unknown) => thrown as Error,
  )

describe('a message', () => {
  it('has the values by the names of the fields, and says whose they are', async () => {
    await deliverAll(
      await open(),
      people(2, (n) => [`p${n}@example.com`, n === 0 ? null : 1.5]),
    )
    expect([...receiver.messages.values()]).toEqual([
      {
        type: 'profiles.activated',
        timestamp: '2026-01-02T03:04:05.678Z',
        data: {
          run: { id: 'run_1' },
          segment: { id: 'seg_1', name: 'Buyers' },
          profiles: [
            { email: 'p0@example.com', age: null },
            { email: 'p1@example.com', age: 1.5 },
          ],
        },
      },
    ])
    expect(receiver.headers[0]).toMatchObject({
      'content-type': 'application/json',
      'webhook-id': expect.stringMatching(/^run_1_1_[0-9a-f]{16}$/),
      'webhook-timestamp': expect.stringMatching(/^\d{10}$/),
    })
  })

  it('has the id of the one before only when it is the same', async () => {
    const idOf = async (profiles: SentProfile[], target = {}) => {
      await (await open(target)).send(profiles)
      return receiver.requests.at(-1)?.split(' ')[0]
    }
    const same = await idOf(people(3))
    expect(await idOf(people(3), { fence: 2 })).toBe(same)
    const [first, second, third] = people(3) as [SentProfile, SentProfile, SentProfile]
    // After a crash profiles may be gone, or look otherwise: taken for a repetition, the others would be lost.
    const others = [
      await idOf([first, third]),
      await idOf([first, second]),
      await idOf([first, second, { ...third, values: ['new@example.com', 3] }]),
      await idOf(people(3), { runId: 'run_2' }),
      await idOf([{ ...first, profileId: 9 }, second, third]),
    ]
    expect(new Set([same, ...others]).size).toBe(6)
  })

  it('is as long as it may be, and no longer', async () => {
    const delivery = await open({ settings: { profilesPerMessage: 1_000, messagesPerSecond: 100 } })
    const profiles = people(700, (n) => [`${n}-${'ä'.repeat(300)}`, n])
    expect(await deliverAll(delivery, profiles)).toEqual([])
    expect(receiver.profiles()).toHaveLength(700)
    const sizes = receiver.requests.map((request) =>
      Buffer.byteLength(request.slice(request.indexOf(' ') + 1)),
    )
    expect(sizes).toHaveLength(2)
    expect(sizes[0]).toBeLessThanOrEqual(256 * 1024)
    expect(sizes[0]).toBeGreaterThan(255 * 1024)
  })

  it('is not sent when nobody is left for it', async () => {
    const refused = await (await open()).send(people(1, () => [TOO_LONG, 1]))
    expect(refused).toEqual({
      taken: 1,
      refused: [{ profileId: 1, detail: 'It was not sent: a message has at most 262144 bytes.' }],
      pending: null,
      bytes: 0,
    })
    expect(receiver.requests).toEqual([])
  })

  it('is signed with the previous secret, too, while the receiver changes', async () => {
    const next = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
    const changing = { ...account({ secret: next, previousSecret: SECRET }), details: null }
    await (await open({ account: changing })).send(people(1))
    expect(receiver.messages.size).toBe(1)
    expect(receiver.headers[0]?.['webhook-signature']).toMatch(/^v1,\S+ v1,\S+$/)
  })

  it('carries the bearer token where the receiver asks for one', async () => {
    receiver.bearerToken = 'tok-1'
    await (await open({ account: { ...account({ bearerToken: 'tok-1' }), details: null } })).send(people(1))
    expect(receiver.messages.size).toBe(1)
  })

  it('waits for its turn', async () => {
    const paced: unknown[] = []
    const pace = async (...budgets: unknown[]) => void paced.push(budgets)
    await (await open({ pace })).send(people(1))
    expect(paced).toEqual([[{ name: 'messages', requests: 10, perMs: 1_000 }]])
  })
})

describe('an answer', () => {
  it.each([
    [204, null],
    [202, null],
    [301, 'BAD_SETTINGS'],
    [307, 'BAD_SETTINGS'],
    [400, 'REFUSED_WRITE'],
    [401, 'REFUSED_LOGIN'],
    [403, 'REFUSED_LOGIN'],
    [404, 'REFUSED_WRITE'],
    [408, 'UNAVAILABLE'],
    [410, 'REFUSED_WRITE'],
    [413, 'REFUSED_WRITE'],
    [429, 'THROTTLED'],
    [500, 'UNAVAILABLE'],
    [502, 'UNAVAILABLE'],
    [503, 'UNAVAILABLE'],
  ])('%i means %s', async (status, code) => {
    receiver.answers.push({ status, headers: { location: 'https://127.0.0.1/', 'retry-after': '3' } })
    const error = await failure((await open()).send(people(1)))
    if (code === null) expect(error).toBeNull()
    else {
      const retryable = ['UNAVAILABLE', 'THROTTLED'].includes(code)
      expect(error).toMatchObject({ code, retryable, retryAfterMs: retryable ? 3_000 : null })
      expect(error?.message).toContain(`answered ${status}`)
    }
    expect(receiver.requests).toHaveLength(1)
  })

  it("is told in the endpoint's words, shortened, on one line, without the profiles", async () => {
    const body = `not today:\r\n p0@example.com is\u001b[31m ${'very '.repeat(5_000)}`
    receiver.answers.push({ status: 400, body })
    const error = await failure((await open()).send(people(1)))
    expect(error?.message).toMatch(/^The endpoint answered 400: not today: \[value\] is \[31m very very /)
    expect(error?.message.length).toBeLessThan(400)
  })

  it('that does not come in time is asked for again', async () => {
    receiver.isSilent = true
    const hasty = webhook({ outbound: toLoopback, answerMs: 100 })
    expect(await failure((await open({}, hasty)).send(people(1)))).toMatchObject({
      code: 'UNAVAILABLE',
      retryable: true,
      message: 'The endpoint does not answer within 0.1 s.',
    })
  })

  it('that goes on for ever is not read to its end', async () => {
    receiver.answers.push({ status: 200, body: 'x'.repeat(50_000_000) })
    expect(await failure((await open()).send(people(1)))).toBeNull()
  })
})

describe('a login', () => {
  const verify = (secrets = {}) =>
    driver.account!.verify({ ...account(secrets), details: null }, AbortSignal.timeout(5_000))

  it('sends a signed message for which nothing is to be done', async () => {
    expect(await verify()).toEqual({ status: 204 })
    expect(receiver.requests).toHaveLength(1)
    expect(receiver.requests[0]).toMatch(
      /^test_[\w-]+ {"type":"endpoint.tested","timestamp":"[^"]+","data":{}}$/,
    )
    expect(receiver.messages.size).toBe(0)
  })

  it('is refused for another secret', async () => {
    const secret = `whsec_${Buffer.alloc(24).toString('base64')}`
    await expect(verify({ secret })).rejects.toMatchObject({ code: 'REFUSED_LOGIN', retryable: false })
  })

  it('reaches nobody where the address may not be reached', async () => {
    const { verify } = webhook({ outbound: createOutbound({ allow: [] }) }).account!
    const login = verify({ ...account(), details: null }, AbortSignal.timeout(5_000))
    await expect(login).rejects.toMatchObject({ code: 'REFUSED_ADDRESS' })
    expect(receiver.requests).toEqual([])
  })
})

describe('the account', () => {
  const { settings, secrets } = webhook({ outbound: createOutbound({ allow: ['minio.lan'] }) }).account!

  it.each(['https://hooks.example.com/x?y=1', 'HTTPS://Hooks.Example.com', 'https://minio.lan:8443/'])(
    'takes %s',
    (url) => {
      expect(settings.parse({ url })).toEqual({ url: new URL(url).href })
    },
  )
  it.each([
    '',
    'hooks.example.com',
    'http://hooks.example.com',
    'https://127.1/',
    'https://user:pw@example.com/',
    'https://example.com:8443',
    'ftp://example.com',
    'https://[::ffff:a9fe:a9fe]/',
    `https://example.com/${'x'.repeat(2_000)}`,
  ])('refuses %s', (url) => {
    expect(settings.safeParse({ url }).error?.issues[0]?.message).toMatch(/\S/)
  })
  it.each([
    '',
    'whsec_',
    'whsec_AAAA',
    `whsec_${'A'.repeat(31)}`,
    SECRET.slice(6),
    `${SECRET} `,
    `${SECRET}A`,
    `whsec_${Buffer.alloc(65).toString('base64')}`,
    `whsk_${SECRET.slice(6)}`,
  ])('refuses the secret %j', (secret) => {
    expect(secrets.safeParse({ secret }).success).toBe(false)
  })
  it('takes secrets of 24 to 64 bytes', () => {
    for (const length of [24, 32, 64]) {
      const secret = `whsec_${Buffer.alloc(length, 1).toString('base64')}`
      expect(secrets.parse({ secret })).toEqual({ secret })
    }
  })
})
