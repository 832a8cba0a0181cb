// Contacts into an ActiveCampaign that is as strict as the real one: too much of anything is refused.
import { describe, expect, it } from 'vitest'
import {
  deliver,
  deliveryScene,
  driver,
  failed,
  fieldsOf,
  people,
  person,
  SETTINGS,
} from '../support/activecampaign/delivery-scene.ts'
import { deliveryTarget } from '../support/delivery-target.ts'
import { profileDriverContract } from './profile-driver-contract.ts'

const scene = deliveryScene()
const { open, emails, imports, refusedRequests } = scene

profileDriverContract('ACTIVECAMPAIGN', () => ({
  driver: driver,
  settings: SETTINGS,
  account: { settings: { hostname: scene.emulator.hostname }, secrets: { apiKey: scene.emulator.apiKey } },
  fields: fieldsOf(),
  values: (n) => person(n).values,
  refusedValues: person(0, 'a..b@example.org').values,
  keyOf: ([email]) => String(email),
  stored: () =>
    [...scene.emulator.data.contacts.values()].flatMap(({ email, imports }) =>
      Array<string>(imports).fill(email),
    ),
  requests: () => scene.emulator.imports.bodies,
  answerNext({ status, retryAfterSeconds }) {
    const headers =
      retryAfterSeconds === undefined ? {} : { headers: { 'Retry-After': `${retryAfterSeconds}` } }
    scene.emulator.failNext(/bulk_import/, { status, ...headers })
  },
  pace: scene.pace,
  fallSilent() {
    scene.emulator.isSilent = true
  },
}))

describe('a contact', () => {
  it('has its fields, custom ones too, its list and its tags', async () => {
    expect(await deliver(await open(), [person(4)])).toEqual([])
    expect([...scene.emulator.data.contacts.values()]).toEqual([
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
    const [contact, ...others] = scene.emulator.data.contacts.values()
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
    expect(scene.emulator.imports.automations).toBe(0)
    await deliver(await open(), people(2))
    expect(scene.emulator.imports.automations).toBe(2)
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

describe('the limits', () => {
  it('are kept: five requests a second, a hundred imports a minute', async () => {
    const delivery = await open()
    for (let n = 0; n < 250; n += 1) {
      const { pending } = await delivery.send([person(2 * n), person(2 * n + 1)])
      if (n % 3 === 0) await delivery.settle(pending ?? {}, async () => [])
    }
    expect(refusedRequests()).toEqual([])
    expect(scene.clock.now()).toBeGreaterThan(120_000)
    expect(scene.clock.now()).toBeLessThan(180_000)
  })

  it('are kept: twenty imports of one contact a minute', async () => {
    const delivery = await open()
    for (let n = 0; n < 45; n += 1) await delivery.send([person(n)])
    expect(refusedRequests()).toEqual([])
    expect(scene.clock.now()).toBeGreaterThan(120_000)
  })

  it('that others used up are told as a bad request, and waited for', async () => {
    const delivery = await open()
    const { hostname, apiKey } = scene.emulator
    for (let n = 0; n < 100; n += 1) {
      scene.clock.advance(250)
      const contacts = [{ email: 'x@example.org' }, { email: 'y@example.org' }]
      const headers = { 'api-token': apiKey, 'content-type': 'application/json' }
      const url = `http://${hostname}/api/3/import/bulk_import`
      expect((await fetch(url, { method: 'POST', headers, body: JSON.stringify({ contacts }) })).status).toBe(
        200,
      )
    }
    scene.clock.advance(1_000)
    const error = await failed(delivery.send(people(2)))
    expect(error).toMatchObject({ code: 'THROTTLED', retryable: true, retryAfterMs: 60_000 })
    expect(error?.message).toContain('Up to 100 imports may be requested per minute.')
    scene.clock.advance(60_000)
    expect(await deliver(delivery, people(2))).toEqual([])
  })

  it.each([
    [{ 'Retry-After': '30' }, 30_000],
    [{}, null],
    [{ 'Retry-After': 'soon' }, null],
  ])('of the account are waited for as long as it says: %j', async (headers, retryAfterMs) => {
    const delivery = await open()
    scene.emulator.failNext(/bulk_import/, { status: 429, headers: headers as Record<string, string> })
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
    scene.emulator.failNext(/bulk_import/, { status })
    expect(await failed(delivery.send(people(2)))).toMatchObject({ name: 'DeliveryError', code, retryable })
  })

  it.each(['CUT_BEFORE', 'CUT_AFTER', 'HALF_THEN_500'] as const)(
    'in the middle leaves nobody out and nobody twice: %s',
    async (fault) => {
      const delivery = await open()
      scene.emulator.failNext(/bulk_import/, fault)
      expect(await failed(delivery.send(people(200)))).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
      expect(await deliver(await open(), people(200))).toEqual([])
      expect(emails()).toHaveLength(200)
      expect([...scene.emulator.data.contacts.values()].every(({ lists }) => lists.length === 1)).toBe(true)
    },
  )

  it('shows before anybody is sent: a key that is no good any more, a list that is gone', async () => {
    const gone = await failed(open({ listId: '99' }))
    expect(gone).toMatchObject({ code: 'BAD_SETTINGS', retryable: false })
    expect(gone?.message).toBe('ActiveCampaign has no list 99 any more: No Result found for _List with id 99')
    const { apiKey } = scene.emulator
    scene.emulator.apiKey = 'another'
    const { hostname } = scene.emulator
    const target = {
      settings: SETTINGS,
      account: { settings: { hostname }, secrets: { apiKey }, details: null },
    }
    const opening = driver.deliverProfiles?.(deliveryTarget({ runId: 'run_1', fence: 1, ...target }))
    expect(await failed(Promise.resolve(opening))).toMatchObject({ code: 'REFUSED_LOGIN', retryable: false })
  })
})
