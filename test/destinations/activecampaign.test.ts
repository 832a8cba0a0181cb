// Contacts into an ActiveCampaign that is as strict as the real one: too much of anything is refused. Its time is
// virtual, and passes while the driver waits for its turn.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { activeCampaign } from '../../src/destinations/activecampaign/driver.ts'
import type {
  DeliveryError,
  ProfileDelivery,
  RefusedProfile,
  SentProfile,
} from '../../src/destinations/driver.ts'
import { virtualPace } from '../support/activecampaign/pace.ts'
import { type ActiveCampaign, activeCampaign as emulate } from '../support/activecampaign/server.ts'
import { deliveryTarget } from '../support/delivery-target.ts'
import { toLoopback } from '../support/outbound.ts'
import { virtualClock } from '../support/virtual-clock.ts'
import { profileDriverContract } from './profile-driver-contract.ts'

let clock: ReturnType<typeof virtualClock>
let pace: ReturnType<typeof virtualPace>
let emulator: ActiveCampaign
beforeEach(async () => {
  clock = virtualClock()
  pace = virtualPace(clock)
  emulator = await emulate({ now: clock.now })
})
afterEach(() => emulator.close())

const TARGETS = ['email', 'first_name', 'last_name', 'phone', 'field:7']
const SETTINGS = { listId: '1', tags: ['Gateway'], excludeAutomations: false }

async function open(settings: object = {}, targets = TARGETS): Promise<ProfileDelivery> {
  const { hostname, apiKey } = emulator
  const target = deliveryTarget({
    runId: 'run_1',
    fence: 1,
    settings: { ...SETTINGS, ...settings },
    account: { settings: { hostname }, secrets: { apiKey }, details: null },
    fields: targets.map((target) => ({ source: target, target, required: target === 'email' })),
    pace,
  })
  const delivery = await activeCampaign({ outbound: toLoopback }).deliverProfiles?.(target)
  if (!delivery) throw new Error('it delivers profiles')
  return delivery
}
const person = (n: number, email: SentProfile['values'][number] = `p${n}@example.org`): SentProfile => ({
  profileId: n,
  values: [email, `First ${n}`, 'O"Neill', '+49 30 1', n * 1.5],
})
const people = (count: number) => Array.from({ length: count }, (_, index) => person(index + 1))

/** Sends all of them, and asks until everything is settled. */
async function deliver(
  delivery: ProfileDelivery,
  profiles: readonly SentProfile[],
): Promise<RefusedProfile[]> {
  const refused: RefusedProfile[] = []
  for (let rest = profiles; rest.length > 0; ) {
    const batch = await delivery.send(rest.slice(0, delivery.maxProfiles))
    const taken = rest.slice(0, batch.taken)
    rest = rest.slice(batch.taken)
    refused.push(...batch.refused, ...(batch.pending ? await settled(delivery, batch.pending, taken) : []))
  }
  return refused
}
async function settled(
  delivery: ProfileDelivery,
  receipt: object,
  sent: SentProfile[],
): Promise<RefusedProfile[]> {
  for (;;) {
    const refused = await delivery.settle({ ...receipt }, async () => sent)
    if (refused) return refused
  }
}

profileDriverContract('ACTIVECAMPAIGN', () => ({
  driver: activeCampaign({ outbound: toLoopback }),
  settings: SETTINGS,
  account: { settings: { hostname: emulator.hostname }, secrets: { apiKey: emulator.apiKey } },
  fields: TARGETS.map((target) => ({ source: target, target, required: target === 'email' })),
  values: (n) => person(n).values,
  refusedValues: person(0, 'a..b@example.org').values,
  keyOf: ([email]) => String(email),
  stored: () =>
    [...emulator.data.contacts.values()].flatMap(({ email, imports }) => Array<string>(imports).fill(email)),
  requests: () => emulator.imports.bodies,
  answerNext({ status, retryAfterSeconds }) {
    const headers =
      retryAfterSeconds === undefined ? {} : { headers: { 'Retry-After': `${retryAfterSeconds}` } }
    emulator.failNext(/bulk_import/, { status, ...headers })
  },
  pace,
  fallSilent() {
    emulator.isSilent = true
  },
}))

const emails = () => [...emulator.data.contacts.keys()]
const timesImported = () => new Set([...emulator.data.contacts.values()].map(({ imports }) => imports))
const imports = (status: number) => emulator.counts.get(`POST /api/3/import/bulk_import ${status}`) ?? 0
const refusedRequests = () => [...emulator.counts.keys()].filter((name) => !name.endsWith(' 200'))
const failed = (work: Promise<unknown>) =>
  work.then(
    () => null,
    (thrown: DeliveryError) => thrown,
  )

describe('a contact', () => {
  it('has its fields, custom ones too, its list and its tags', async () => {
    expect(await deliver(await open(), [person(4)])).toEqual([])
    expect([...emulator.data.contacts.values()]).toEqual([
      {
        id: '1',
        email: 'p4@example.org',
        first_name: 'First 4',
        last_name: 'O"Neill',
        phone: '+49 30 1',
        tags: ['Gateway'],
        lists: ['1'],
        fields: { 7: '6' },
        imports: 1,
      },
    ])
  })

  it('is changed where it is there already, and keeps what the profile does not have', async () => {
    const delivery = await open()
    await deliver(delivery, [person(4)])
    await deliver(delivery, [{ profileId: 9, values: [' P4@Example.org ', null, 'Other', ' ', true] }])
    const [contact, ...others] = emulator.data.contacts.values()
    expect(others).toEqual([])
    expect(contact).toMatchObject({
      first_name: 'First 4',
      last_name: 'Other',
      fields: { 7: 'true' },
      imports: 2,
    })
  })

  it('starts no automations when told so, in each of the ways that are documented', async () => {
    await deliver(await open({ excludeAutomations: true }), people(2))
    expect(emulator.imports.automations).toBe(0)
    await deliver(await open(), people(2))
    expect(emulator.imports.automations).toBe(2)
  })

  it('without a possible e-mail is refused, and costs no request', async () => {
    const bad = [
      null,
      '',
      ' ',
      'x',
      '@',
      'a@b',
      'a b@example.org',
      'a@exa mple.org',
      'a@@example.org',
      `${'x'.repeat(65)}@x.org`,
      7,
    ]
    const delivery = await open()
    const batch = await delivery.send(bad.map((email, n) => person(n, email)))
    expect(batch).toMatchObject({ taken: bad.length, pending: null, bytes: 0 })
    expect(batch.refused.map(({ profileId }) => profileId)).toEqual(bad.map((_, n) => n))
    expect(
      batch.refused.map(({ detail }) => detail).every((detail) => /^It was not sent: /.test(detail)),
    ).toBe(true)
    expect(imports(200) + imports(400)).toBe(0)
  })
})

describe('a request', () => {
  it.each([0, 1, 249, 250, 251, 600])('never has more than 250 contacts: %i', async (count) => {
    expect(await deliver(await open(), people(count))).toEqual([])
    expect(emails()).toHaveLength(count)
    expect(imports(200)).toBe(Math.ceil(count / 250))
    expect(refusedRequests()).toEqual([])
  })

  it('never has more than 399,999 bytes, and wastes little', async () => {
    const delivery = await open({}, ['email', 'field:7'])
    const profiles = people(250).map(({ profileId, values }) => ({
      profileId,
      values: [values[0]!, 'ü'.repeat(2_000)],
    }))
    const { taken, bytes } = await delivery.send(profiles)
    expect(bytes).toBeGreaterThan(399_999 - 4_200)
    expect(taken).toBe(97)
    expect(await deliver(delivery, profiles)).toEqual([])
    expect(emails()).toHaveLength(250)
    expect(refusedRequests()).toEqual([])
  })

  it('may be exactly as long as is allowed', async () => {
    const delivery = await open({}, ['email', 'field:7'])
    const withText = (length: number) => [{ profileId: 1, values: ['a@example.org', 'x'.repeat(length)] }]
    const { bytes } = await delivery.send(withText(1))
    expect(await delivery.send(withText(400_000 - bytes))).toMatchObject({ bytes: 399_999, refused: [] })
    expect(await delivery.send(withText(400_001 - bytes))).toMatchObject({
      taken: 1,
      pending: null,
      refused: [{ profileId: 1, detail: 'It was not sent: a contact has at most 399,999 bytes.' }],
    })
  })
})

describe('an answer', () => {
  it.each([{ Success: 1 }, { success: 1 }, { success: true }, { Success: '1' }, { success: 250 }])(
    'says in one of its spellings that a batch was queued: %j',
    async (success) => {
      const body = { ...success, queued_contacts: 2, batchId: 'b-1', message: 'Contact import queued' }
      emulator.failNext(/bulk_import/, { status: 200, body })
      expect(await (await open()).send(people(2))).toMatchObject({
        taken: 2,
        refused: [],
        pending: { batchId: 'b-1' },
      })
    },
  )
})

describe('a bad contact', () => {
  // It looks like an e-mail to anybody but ActiveCampaign.
  const BAD = 'a..b@example.org'
  const some = (count: number, bad: number[], email = BAD) =>
    people(count).map((profile) =>
      bad.includes(profile.profileId) ? person(profile.profileId, email) : profile,
    )

  it.each([
    ['the first', [1]],
    ['the last', [250]],
    ['several', [3, 117, 118]],
    ['all', people(250).map(({ profileId }) => profileId)],
  ])('does not keep the others of its batch: %s', async (_, bad) => {
    const refused = await deliver(await open(), some(250, bad))
    expect(refused).toEqual(bad.map((profileId) => ({ profileId, detail: "Field 'email' incorrect format" })))
    expect(emails()).toHaveLength(250 - bad.length)
    expect(timesImported()).toEqual(new Set(bad.length < 250 ? [1] : []))
    expect([imports(400), imports(200)]).toEqual([1, bad.length < 250 ? 1 : 0])
  })

  it('is found though only one is named at a time', async () => {
    emulator.imports.namesOneAtATime = true
    const refused = await deliver(await open(), some(10, [2, 5, 9]))
    expect(refused.map(({ profileId }) => profileId)).toEqual([2, 5, 9])
    expect(emails()).toHaveLength(7)
  })

  it('is found in the form that is published with blanks and in other quotes', async () => {
    const body = {
      success: 0,
      message: 'JSON payload did not pass validation.',
      'failure Reasons': [{ contact: 2, 'failure Reason': 'Field‘ email’ incorrect format' }],
    }
    emulator.failNext(/bulk_import/, { status: 400, body })
    const refused = await deliver(await open(), people(3))
    expect(refused).toEqual([{ profileId: 2, detail: 'Field‘ email’ incorrect format' }])
    expect(emails()).toHaveLength(2)
  })

  it.each([[[1]], [[250]], [[77, 78, 200]]])('is found though nobody names it: %j', async (bad) => {
    emulator.imports.unnamed.add('odd@example.org')
    const refused = await deliver(await open(), some(250, bad, 'odd@example.org'))
    expect(refused).toEqual(
      bad.map((profileId) => ({ profileId, detail: 'The request could not be processed' })),
    )
    expect(emails()).toHaveLength(250 - bad.length)
    expect(timesImported()).toEqual(new Set([1]))
  })

  it('is not taken from a list of others', async () => {
    const body = { success: 0, message: 'No.', failureReasons: [{ contact: 9, failureReason: 'bad' }] }
    emulator.failNext(
      /bulk_import/,
      { status: 400, body },
      { status: 200, body: { success: 0, message: 'No.' } },
    )
    expect(await deliver(await open(), people(2))).toEqual([{ profileId: 1, detail: 'No.' }])
    expect(emails()).toEqual(['p2@example.org'])
  })

  it('is not looked for when everything is refused', async () => {
    for (const { values } of people(250)) emulator.imports.unnamed.add(String(values[0]))
    const error = await failed(deliver(await open(), people(250)))
    expect(error).toMatchObject({ code: 'REFUSED_WRITE', retryable: false })
    expect(error?.message).toBe('ActiveCampaign answered 422: The request could not be processed')
    expect(imports(422)).toBeLessThan(50)
  })

  it('is not repeated in words that are kept', async () => {
    const body = {
      message: 'No\n such <anna@example.org>, or "bert@example.org"',
      failureReasons: [{ contact: 1, failureReason: 'First 1: bad: anna@example.org' }],
    }
    emulator.failNext(/bulk_import/, { status: 400, body }, { status: 409, body: { message: body.message } })
    const refused = await deliver(await open(), people(2))
    expect(refused.map(({ detail }) => detail)).toEqual([
      '[value]: bad: [e-mail]',
      'No such <[e-mail]>, or "[e-mail]"',
    ])
    emulator.failNext(/bulk_import/, { status: 500, body: { message: body.message } })
    const error = await failed((await open()).send(people(2)))
    expect(error?.message).toBe('ActiveCampaign answered 500: No such <[e-mail]>, or "[e-mail]"')
  })
})

describe('what becomes of a batch', () => {
  it('is asked for until it is known', async () => {
    const delivery = await open()
    const { pending } = await delivery.send(people(2))
    const seen: (RefusedProfile[] | null)[] = []
    while (seen.at(-1) === undefined || seen.at(-1) === null) {
      seen.push(await delivery.settle(pending ?? {}, async () => people(2)))
      clock.advance(150)
    }
    expect(seen.length).toBeGreaterThan(4) // false, waiting, claimed, active
    expect(seen.at(-1)).toEqual([])
  })

  it('tells whom ActiveCampaign did not take, whatever the case of the e-mail', async () => {
    const { excluded, bounced, unsubscribed } = emulator.data
    excluded.add('p2@example.org')
    bounced.add('p5@example.org')
    unsubscribed.add('p6@example.org')
    const profiles = [...people(5), person(6, 'P6@Example.Org'), person(7, 'p6@example.org')]
    const refused = await deliver(await open(), profiles)
    expect(refused.map(({ profileId }) => profileId)).toEqual([2, 5, 6, 7])
    expect(refused[0]?.detail).toMatch(/^ActiveCampaign lists it as failed/)
    expect(emails()).toHaveLength(3)
  })

  it('is that the account is full', async () => {
    emulator.data.contactLimit = 3
    expect(await deliver(await open(), people(5))).toHaveLength(2)
  })

  it.each(['failed', 'interrupted'] as const)('is that all are to be sent again: %s', async (fate) => {
    emulator.imports.fates.push(fate)
    const delivery = await open()
    const refused = await deliver(delivery, people(4))
    expect(refused.map(({ profileId }) => profileId)).toEqual([1, 2, 3, 4])
    expect(refused[0]?.detail).toBe(`ActiveCampaign ended its import as ${fate}.`)
    expect(await deliver(delivery, people(4))).toEqual([])
    expect(emails()).toHaveLength(4)
  })

  it('is unknown to a server that fails', async () => {
    const delivery = await open()
    emulator.failNext(/info/, { status: 502 })
    const error = await failed(delivery.settle({ batchId: 'x' }, async () => []))
    expect(error).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
  })
})

describe('the limits', () => {
  it('are kept: five requests a second, a hundred imports a minute', async () => {
    const delivery = await open()
    for (let n = 0; n < 250; n += 1) {
      const { pending } = await delivery.send([person(2 * n), person(2 * n + 1)])
      if (n % 3 === 0) await delivery.settle(pending ?? {}, async () => [])
    }
    expect(refusedRequests()).toEqual([])
    expect(clock.now()).toBeGreaterThan(120_000)
    expect(clock.now()).toBeLessThan(180_000)
  })

  it('are kept: twenty imports of one contact a minute', async () => {
    const delivery = await open()
    for (let n = 0; n < 45; n += 1) await delivery.send([person(n)])
    expect(refusedRequests()).toEqual([])
    expect(clock.now()).toBeGreaterThan(120_000)
  })

  it('that others used up are told as a bad request, and waited for', async () => {
    const delivery = await open()
    const { hostname, apiKey } = emulator
    for (let n = 0; n < 100; n += 1) {
      clock.advance(250)
      const contacts = [{ email: 'x@example.org' }, { email: 'y@example.org' }]
      const headers = { 'api-token': apiKey, 'content-type': 'application/json' }
      const url = `http://${hostname}/api/3/import/bulk_import`
      expect((await fetch(url, { method: 'POST', headers, body: JSON.stringify({ contacts }) })).status).toBe(
        200,
      )
    }
    clock.advance(1_000)
    const error = await failed(delivery.send(people(2)))
    expect(error).toMatchObject({ code: 'THROTTLED', retryable: true, retryAfterMs: 60_000 })
    expect(error?.message).toContain('Up to 100 imports may be requested per minute.')
    clock.advance(60_000)
    expect(await deliver(delivery, people(2))).toEqual([])
  })

  it.each([
    [{ 'Retry-After': '30' }, 30_000],
    [{}, null],
    [{ 'Retry-After': 'soon' }, null],
  ])('of the account are waited for as long as it says: %j', async (headers, retryAfterMs) => {
    const delivery = await open()
    emulator.failNext(/bulk_import/, { status: 429, headers: headers as Record<string, string> })
    const error = await failed(delivery.send(people(2)))
    expect(error).toMatchObject({ code: 'THROTTLED', retryable: true, retryAfterMs })
  })
})

describe('a trouble', () => {
  it.each([
    [401, 'REFUSED_LOGIN', false],
    [403, 'REFUSED_LOGIN', false],
    [404, 'BAD_SETTINGS', false],
    [301, 'BAD_SETTINGS', false],
    [500, 'UNAVAILABLE', true],
    [503, 'UNAVAILABLE', true],
  ] as const)('answered as %i is %s', async (status, code, retryable) => {
    const delivery = await open()
    emulator.failNext(/bulk_import/, { status })
    expect(await failed(delivery.send(people(2)))).toMatchObject({ name: 'DeliveryError', code, retryable })
  })

  it.each(['CUT_BEFORE', 'CUT_AFTER', 'HALF_THEN_500'] as const)(
    'in the middle leaves nobody out and nobody twice: %s',
    async (fault) => {
      const delivery = await open()
      emulator.failNext(/bulk_import/, fault)
      expect(await failed(delivery.send(people(200)))).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
      expect(await deliver(await open(), people(200))).toEqual([])
      expect(emails()).toHaveLength(200)
      expect([...emulator.data.contacts.values()].every(({ lists }) => lists.length === 1)).toBe(true)
    },
  )

  it('shows before anybody is sent: a key that is no good any more, a list that is gone', async () => {
    const gone = await failed(open({ listId: '99' }))
    expect(gone).toMatchObject({ code: 'BAD_SETTINGS', retryable: false })
    expect(gone?.message).toBe('ActiveCampaign has no list 99 any more: No Result found for _List with id 99')
    const { apiKey } = emulator
    emulator.apiKey = 'another'
    const { hostname } = emulator
    const target = {
      settings: SETTINGS,
      account: { settings: { hostname }, secrets: { apiKey }, details: null },
    }
    const opening = activeCampaign({ outbound: toLoopback }).deliverProfiles?.(
      deliveryTarget({ runId: 'run_1', fence: 1, ...target }),
    )
    expect(await failed(Promise.resolve(opening))).toMatchObject({ code: 'REFUSED_LOGIN', retryable: false })
  })
})
