// The engine and an emulated ActiveCampaign in virtual time: an hour of waiting takes as long as the work in it.
import { sealSecrets } from '../../../src/destinations/account.ts'
import type { Outbound } from '../../../src/destinations/outbound.ts'
import { driverRegistry } from '../../../src/destinations/registry.ts'
import { runWorker } from '../../../src/engine/worker.ts'
import { worldOf } from '../activation.ts'
import { silent, testDatabase } from '../database.ts'
import { aQueuedRun, aSnapshot, runRow } from '../export-scene.ts'
import { toLoopback } from '../outbound.ts'
import { virtualClock } from '../virtual-clock.ts'
import { activeCampaign } from './server.ts'

/** @param latencyMs how long every request is on its way, in virtual time */
export async function virtualGateway({ latencyMs = 0 } = {}) {
  const test = await testDatabase()
  const clock = virtualClock()
  const emulator = await activeCampaign({ now: clock.now })
  const { database, ctx } = test
  const far: Outbound = {
    ...toLoopback,
    async fetch(...given) {
      clock.advance(latencyMs)
      return toLoopback.fetch(...given)
    },
  }
  const drivers = driverRegistry({ exportRoot: test.exportRoot, outbound: far })
  await database.life.register('proc')
  const parts = { database, drivers, vault: ctx.vault, clock: ctx.clock, log: silent }
  const worker = runWorker({ ...parts, processId: 'proc', concurrency: 2, timer: clock })
  const accountId = ctx.newId('destinationAccount')
  await worldOf(test, test.sandboxId).account({
    id: accountId,
    type: 'ACTIVECAMPAIGN',
    settings: { hostname: emulator.hostname },
    secrets: sealSecrets(ctx.vault, { apiKey: emulator.apiKey }, accountId),
  })
  worker.start()

  return {
    test,
    clock,
    emulator,
    /** A run of people with these e-mails into list 1. */
    async run(emails: Iterable<string>) {
      const people = Iterator.from(emails).map((email) => ({ email, name: 'Anna', total: 12.5 }))
      const settings = { listId: '1', tags: [], excludeAutomations: false }
      const destination = { id: ctx.newId('destination'), name: 'AC', type: 'ACTIVECAMPAIGN', settings }
      const run = await aQueuedRun(test, await aSnapshot(test, people), {
        destination,
        accountId,
        fields: [
          { source: 'email', target: 'email', required: true },
          { source: 'name', target: 'first_name', required: false },
          { source: 'total', target: 'field:7', required: false },
        ],
        fileFormat: null,
        fileName: null,
      })
      database.wake.notify('runs')
      return run
    },
    async ended(runId: string) {
      for (;;) {
        const run = await runRow(test, runId)
        if (run.phase === 'DONE') return run
        await database.wake.wait(`run:${runId}`, 100)
      }
    },
    /** Requests that were answered with anything but success. */
    refused: () => [...emulator.counts].filter(([name]) => !name.endsWith(' 200')),
    async dispose() {
      await worker.stop()
      await emulator.close()
      await test.dispose()
    },
  }
}
