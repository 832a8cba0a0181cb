// What every driver that takes profiles must do, whatever it reaches. Each driver's test calls this against a server.
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type {
  DeliveryTarget,
  Driver,
  ProfileDelivery,
  RefusedProfile,
  SentProfile,
} from '../../src/destinations/driver.ts'
import type { FieldMapping } from '../../src/domain/model.ts'
import { deliveryTarget } from '../support/delivery-target.ts'

export interface ProfileDriverSetup {
  driver: Driver
  settings: Record<string, unknown>
  account: { settings: Record<string, unknown>; secrets: Record<string, unknown> }
  /** Of the last login; null where a delivery needs none. */
  details?: Record<string, unknown> | null
  fields: FieldMapping[]
  /** The values of the nth profile, which the destination takes. */
  values(n: number): SentProfile['values']
  /** The values of one that it refuses; null where there is none. */
  refusedValues: SentProfile['values'] | null
  /** Which of the values tells profiles apart. */
  keyOf(values: SentProfile['values']): string
  /** The keys of the profiles that the destination has, each as often as it was stored. */
  stored(): string[]
  /** What the requests that brought profiles were, as far as a repetition must be the same. */
  requests(): string[]
  /** How the next request that brings profiles is answered, as the destination words it. */
  answerNext(answer: { status: 401 | 429 | 500; retryAfterSeconds?: number }): void
  /** How long it waits for its turn; absent: not at all. */
  pace?: DeliveryTarget['pace']
  /** From now on, requests are read and not answered. */
  fallSilent(): void
}

export function profileDriverContract(name: string, setup: () => ProfileDriverSetup): void {
  const open = async (given: ProfileDriverSetup, signal?: AbortSignal): Promise<ProfileDelivery> => {
    const { driver, settings, account, details = null, fields, pace } = given
    const opened = { ...account, details }
    const stop = signal ?? AbortSignal.timeout(20_000)
    const target = deliveryTarget({
      runId: 'run_1',
      fence: 1,
      settings,
      account: opened,
      fields,
      signal: stop,
      ...(pace && { pace }),
    })
    const delivery = await driver.deliverProfiles?.(target)
    if (!delivery) throw new Error(`${name} delivers no profiles`)
    return delivery
  }
  const people = ({ values }: ProfileDriverSetup, count: number): SentProfile[] =>
    Array.from({ length: count }, (_, n) => ({ profileId: n + 1, values: values(n) }))
  const keys = ({ keyOf }: ProfileDriverSetup, profiles: readonly SentProfile[]) =>
    profiles.map(({ values }) => keyOf(values))
  const failure = (work: Promise<unknown>) =>
    work.then(
      () => null,
      (thrown: unknown) => thrown,
    )

  describe(`${name} as a driver of profiles`, () => {
    it('sends nothing when there is nobody to send', async () => {
      const given = setup()
      await open(given)
      expect(given.requests()).toEqual([])
    })

    for (const [title, countOf] of [
      ['one profile', () => 1],
      ['as many as it takes at once', (max: number) => max],
      ['one more', (max: number) => max + 1],
    ] as const) {
      it(`delivers ${title}, each once`, async () => {
        const given = setup()
        const delivery = await open(given)
        const profiles = people(given, countOf(delivery.maxProfiles))
        expect(await deliverAll(delivery, profiles)).toEqual([])
        expect(given.stored().sort()).toEqual(keys(given, profiles).sort())
      })
    }

    it('says which profiles were refused and why, and delivers the others', async () => {
      const given = setup()
      const { refusedValues } = given
      if (!refusedValues) return
      const profiles = people(given, 4)
      const bad = { profileId: 99, values: refusedValues }
      const mixed = [...profiles.slice(0, 2), bad, ...profiles.slice(2)].map((one, n) => ({
        ...one,
        profileId: n + 1,
      }))
      const refused = await deliverAll(await open(given), mixed)
      expect(refused).toEqual([{ profileId: 3, detail: expect.stringMatching(/\S/) }])
      expect(refused[0]?.detail).not.toMatch(/\p{Cc}/u)
      expect([...new Set(given.stored())].sort()).toEqual(keys(given, profiles).sort())
    })

    it('makes the same requests of the same profiles, as after a crash', async () => {
      const given = setup()
      const profiles = people(given, 3)
      await deliverAll(await open(given), profiles)
      const before = [...given.requests()]
      await deliverAll(await open(given), profiles)
      expect(given.requests()).toEqual([...before, ...before])
    })

    it('stops within a moment when it is told to, though nobody answers', async () => {
      const given = setup()
      const stop = new AbortController()
      const delivery = await open(given, stop.signal)
      given.fallSilent()
      const sending = failure(delivery.send(people(given, 1)))
      while (given.requests().length === 0) await sleep(10)
      stop.abort(new Error('cancelled'))
      expect(await sending).toBeInstanceOf(Error)
    })

    it('passes on how long it is asked to wait, and then delivers', async () => {
      const given = setup()
      const delivery = await open(given)
      const profiles = people(given, 2)
      given.answerNext({ status: 429, retryAfterSeconds: 7 })
      const expected = { name: 'DeliveryError', code: 'THROTTLED', retryable: true, retryAfterMs: 7_000 }
      expect(await failure(delivery.send(profiles))).toMatchObject(expected)
      expect(await deliverAll(delivery, profiles)).toEqual([])
      expect(given.stored().sort()).toEqual(keys(given, profiles).sort())
    })

    it('takes a server error for a passing trouble, and then delivers', async () => {
      const given = setup()
      const delivery = await open(given)
      const profiles = people(given, 2)
      given.answerNext({ status: 500 })
      const expected = { name: 'DeliveryError', code: 'UNAVAILABLE', retryable: true }
      expect(await failure(delivery.send(profiles))).toMatchObject(expected)
      expect(await deliverAll(delivery, profiles)).toEqual([])
      expect([...new Set(given.stored())].sort()).toEqual(keys(given, profiles).sort())
    })

    it('takes a refused login for final', async () => {
      const given = setup()
      const delivery = await open(given)
      given.answerNext({ status: 401 })
      const expected = { name: 'DeliveryError', code: 'REFUSED_LOGIN', retryable: false }
      expect(await failure(delivery.send(people(given, 1)))).toMatchObject(expected)
    })
  })
}

/** Sends as the engine does, waits until all is settled, and gives what was refused. */
export async function deliverAll(
  delivery: ProfileDelivery,
  profiles: readonly SentProfile[],
): Promise<RefusedProfile[]> {
  const refused: RefusedProfile[] = []
  for (let rest = profiles; rest.length > 0; ) {
    const given = rest.slice(0, delivery.maxProfiles)
    const batch = await delivery.send(given)
    expect(batch.taken).toBeGreaterThan(0)
    expect(batch.bytes).toBeGreaterThan(0)
    refused.push(...batch.refused)
    const taken = given.slice(0, batch.taken)
    // A receipt is kept in the database as JSON, and used by another process.
    const receipt = batch.pending && JSON.parse(JSON.stringify(batch.pending))
    for (let late: RefusedProfile[] | null = receipt ? null : []; late === null; await sleep(10)) {
      const refusedBefore = new Set(batch.refused.map(({ profileId }) => profileId))
      late = await delivery.settle(receipt, async () =>
        taken.filter(({ profileId }) => !refusedBefore.has(profileId)),
      )
      refused.push(...(late ?? []))
    }
    rest = rest.slice(batch.taken)
  }
  return refused
}
