// Runs to the API that takes contacts, put straight into the queue, and workers for them.
import { randomUUID } from 'node:crypto'
import { sealSecrets } from '../../src/destinations/account.ts'
import type { Driver } from '../../src/destinations/driver.ts'
import { driverRegistry } from '../../src/destinations/registry.ts'
import type { RunPlan } from '../../src/domain/model.ts'
import type { Timer } from '../../src/engine/timer.ts'
import { runWorker } from '../../src/engine/worker.ts'
import type { Database } from '../../src/storage/database.ts'
import { rejectionStore } from '../../src/storage/rejection.ts'
import { worldOf } from './activation.ts'
import { type ContactApi, contactApiDriver } from './contact-api.ts'
import { silent, type TestDatabase } from './database.ts'
import { aQueuedRun, aSnapshot } from './export-scene.ts'
import { httpStoreDriver } from './http-store.ts'
import { toLoopback } from './outbound.ts'

/** A queued run that sends people with these attributes to the API. */
export async function aContactRun(
  test: TestDatabase,
  api: ContactApi,
  { people, plan = {} }: { people: Record<string, unknown>[]; plan?: Partial<RunPlan> },
) {
  const id = test.ctx.newId('destinationAccount')
  const settings = { url: api.url }
  const secrets = sealSecrets(test.ctx.vault, { key: api.key }, id)
  await worldOf(test, test.sandboxId).account({ id, type: 'CONTACT_API', settings, secrets })
  const destination = { id: test.ctx.newId('destination'), name: 'CRM', type: 'CONTACT_API', settings: {} }
  return aQueuedRun(test, await aSnapshot(test, people), {
    destination,
    accountId: id,
    fields: [
      { source: 'email', target: 'EMAIL', required: true },
      { source: 'name', target: 'NAME', required: false },
    ],
    fileFormat: null,
    fileName: null,
    ...plan,
  })
}

/** A queued run that sends the snapshot's people as a file to an HTTP store at this address. */
export async function aStoreRun(test: TestDatabase, url: string, people: Record<string, unknown>[]) {
  const id = test.ctx.newId('destinationAccount')
  const secrets = sealSecrets(test.ctx.vault, { password: 'p' }, id)
  const settings = { url, user: 'u' }
  await worldOf(test, test.sandboxId).account({ id, type: 'HTTP_STORE', settings, secrets })
  const destination = {
    id: test.ctx.newId('destination'),
    name: url,
    type: 'HTTP_STORE',
    settings: { folder: 'out' },
  }
  return aQueuedRun(test, await aSnapshot(test, people), { destination, accountId: id })
}

export const emails = (count: number, from = 0) =>
  Array.from({ length: count }, (_, n) => ({ email: `p${from + n}@example.com`, name: `Person ${from + n}` }))

interface WorkerOptions {
  concurrency?: number
  timer?: Timer
  database?: Database
  extra?: Driver[]
}
/** Starts a worker as a process of its own, or with a database of its own as one that does not live; `stop` it. */
export function startRunWorker(test: TestDatabase, { extra = [], ...options }: WorkerOptions = {}) {
  const processId = `proc_${randomUUID()}`
  const { database, ctx } = test
  if (!options.database) void database.life.register(processId)
  const registry = { exportRoot: test.exportRoot, outbound: toLoopback }
  const drivers = driverRegistry(registry, [contactApiDriver, httpStoreDriver, ...extra])
  const { vault, clock } = ctx
  const worker = runWorker({
    database,
    drivers,
    vault,
    clock,
    log: silent,
    processId,
    concurrency: 1,
    ...options,
  })
  worker.start()
  return worker
}

export async function rejectionsOf(test: TestDatabase, runId: string) {
  const pages = await rejectionStore(test.database).pagesByRun([runId], { args: {}, maxPageSize: 100 })
  return (pages.get(runId)?.rows ?? []).map(({ reason, detail }) => [reason, detail])
}
