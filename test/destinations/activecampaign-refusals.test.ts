// Whom ActiveCampaign does not take, whatever it says about it and when.
import { describe, expect, it } from 'vitest'
import type { RefusedProfile } from '../../src/destinations/driver.ts'
import { deliver, deliveryScene, failed, people, person } from '../support/activecampaign/delivery-scene.ts'

const scene = deliveryScene()
const { open, emails, timesImported, imports } = scene

describe('an answer', () => {
  it.each([{ Success: 1 }, { success: 1 }, { success: true }, { Success: '1' }, { success: 250 }])(
    'says in one of its spellings that a batch was queued: %j',
    async (success) => {
      const body = { ...success, queued_contacts: 2, batchId: 'b-1', message: 'Contact import queued' }
      scene.emulator.failNext(/bulk_import/, { status: 200, body })
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
    scene.emulator.imports.namesOneAtATime = true
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
    scene.emulator.failNext(/bulk_import/, { status: 400, body })
    const refused = await deliver(await open(), people(3))
    expect(refused).toEqual([{ profileId: 2, detail: 'Field‘ email’ incorrect format' }])
    expect(emails()).toHaveLength(2)
  })

  it.each([[[1]], [[250]], [[77, 78, 200]]])('is found though nobody names it: %j', async (bad) => {
    scene.emulator.imports.unnamed.add('odd@example.org')
    const refused = await deliver(await open(), some(250, bad, 'odd@example.org'))
    expect(refused).toEqual(
      bad.map((profileId) => ({ profileId, detail: 'The request could not be processed' })),
    )
    expect(emails()).toHaveLength(250 - bad.length)
    expect(timesImported()).toEqual(new Set([1]))
  })

  it('is not taken from a list of others', async () => {
    const body = { success: 0, message: 'No.', failureReasons: [{ contact: 9, failureReason: 'bad' }] }
    scene.emulator.failNext(
      /bulk_import/,
      { status: 400, body },
      { status: 200, body: { success: 0, message: 'No.' } },
    )
    expect(await deliver(await open(), people(2))).toEqual([{ profileId: 1, detail: 'No.' }])
    expect(emails()).toEqual(['p2@example.org'])
  })

  it('is not looked for when everything is refused', async () => {
    for (const { values } of people(250)) scene.emulator.imports.unnamed.add(String(values[0]))
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
    scene.emulator.failNext(
      /bulk_import/,
      { status: 400, body },
      { status: 409, body: { message: body.message } },
    )
    const refused = await deliver(await open(), people(2))
    expect(refused.map(({ detail }) => detail)).toEqual([
      '[value]: bad: [e-mail]',
      'No such <[e-mail]>, or "[e-mail]"',
    ])
    scene.emulator.failNext(/bulk_import/, { status: 500, body: { message: body.message } })
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
      scene.clock.advance(150)
    }
    expect(seen.length).toBeGreaterThan(4) // false, waiting, claimed, active
    expect(seen.at(-1)).toEqual([])
  })

  it('tells whom ActiveCampaign did not take, whatever the case of the e-mail', async () => {
    const { excluded, bounced, unsubscribed } = scene.emulator.data
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
    scene.emulator.data.contactLimit = 3
    expect(await deliver(await open(), people(5))).toHaveLength(2)
  })

  it.each(['failed', 'interrupted'] as const)('is that all are to be sent again: %s', async (fate) => {
    scene.emulator.imports.fates.push(fate)
    const delivery = await open()
    const refused = await deliver(delivery, people(4))
    expect(refused.map(({ profileId }) => profileId)).toEqual([1, 2, 3, 4])
    expect(refused[0]?.detail).toBe(`ActiveCampaign ended its import as ${fate}.`)
    expect(await deliver(delivery, people(4))).toEqual([])
    expect(emails()).toHaveLength(4)
  })

  it('is unknown to a server that fails', async () => {
    const delivery = await open()
    scene.emulator.failNext(/info/, { status: 502 })
    const error = await failed(delivery.settle({ batchId: 'x' }, async () => []))
    expect(error).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
  })
})
