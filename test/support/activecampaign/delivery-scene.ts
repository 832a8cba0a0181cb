// A driver that delivers to the emulated ActiveCampaign, in virtual time: it passes while the driver waits for its turn.
import { afterEach, beforeEach } from 'vitest'
import { activeCampaign } from '../../../src/destinations/activecampaign/driver.ts'
import type {
  DeliveryError,
  ProfileDelivery,
  RefusedProfile,
  SentProfile,
} from '../../../src/destinations/driver.ts'
import { deliveryTarget } from '../delivery-target.ts'
import { toLoopback } from '../outbound.ts'
import { virtualClock } from '../virtual-clock.ts'
import { virtualPace } from './pace.ts'
import { type ActiveCampaign, activeCampaign as emulate } from './server.ts'

export const driver = activeCampaign({ outbound: toLoopback })
export const SETTINGS = { listId: '1', tags: ['Gateway'], excludeAutomations: false }
const TARGETS = ['email', 'first_name', 'last_name', 'phone', 'field:7']
export const fieldsOf = (targets = TARGETS) =>
  targets.map((target) => ({ source: target, target, required: target === 'email' }))

export const person = (
  n: number,
  email: SentProfile['values'][number] = `p${n}@example.org`,
): SentProfile => ({
  profileId: n,
  values: [email, `First ${n}`, 'O"Neill', '+49 30 1', n * 1.5],
})
export const people = (count: number) => Array.from({ length: count }, (_, index) => person(index + 1))

export interface DeliveryScene {
  clock: ReturnType<typeof virtualClock>
  pace: ReturnType<typeof virtualPace>
  emulator: ActiveCampaign
  open(settings?: object, targets?: string[]): Promise<ProfileDelivery>
  /** E-mails of the contacts that are there. */
  emails(): string[]
  timesImported(): Set<number>
  /** How many imports were answered with that status. */
  imports(status: number): number
  /** Requests that were answered with anything but success, e.g. `POST /api/3/import/bulk_import 400`. */
  refusedRequests(): string[]
}

/** Made anew before each test. */
export function deliveryScene(): DeliveryScene {
  const scene = {
    async open(settings = {}, targets = TARGETS) {
      const { hostname, apiKey } = scene.emulator
      const target = deliveryTarget({
        runId: 'run_1',
        fence: 1,
        settings: { ...SETTINGS, ...settings },
        account: { settings: { hostname }, secrets: { apiKey }, details: null },
        fields: fieldsOf(targets),
        pace: scene.pace,
      })
      const delivery = await driver.deliverProfiles?.(target)
      if (!delivery) throw new Error('it delivers profiles')
      return delivery
    },
    emails: () => [...scene.emulator.data.contacts.keys()],
    timesImported: () => new Set([...scene.emulator.data.contacts.values()].map(({ imports }) => imports)),
    imports: (status) => scene.emulator.counts.get(`POST /api/3/import/bulk_import ${status}`) ?? 0,
    refusedRequests: () => [...scene.emulator.counts.keys()].filter((name) => !name.endsWith(' 200')),
  } as DeliveryScene
  beforeEach(async () => {
    scene.clock = virtualClock()
    scene.pace = virtualPace(scene.clock)
    scene.emulator = await emulate({ now: scene.clock.now })
  })
  afterEach(() => scene.emulator.close())
  return scene
}

/** Sends all of them, and asks until everything is settled: who was refused. */
export async function deliver(
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

/** What the work throws; null when it does not. */
export const failed = (work: Promise<unknown>): Promise<DeliveryError | null> =>
  work.then(
    () => null,
    (thrown: DeliveryError) => thrown,
  )
