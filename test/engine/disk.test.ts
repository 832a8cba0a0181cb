import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Driver } from '../../src/destinations/driver.ts'
import { localDirectory } from '../../src/destinations/local-directory/driver.ts'
import { type DriverRegistry, driverRegistry } from '../../src/destinations/registry.ts'
import { runWorker } from '../../src/engine/worker.ts'
import { silent, type TestDatabase, testDatabase } from '../support/database.ts'
import { aQueuedRun, aSnapshot, runRow, untilEnded } from '../support/export-scene.ts'
import { toLoopback } from '../support/outbound.ts'

let test: TestDatabase
let worker: { stop(): Promise<void> } | undefined
beforeEach(async () => {
  test = await testDatabase()
})
afterEach(async () => {
  await worker?.stop()
  worker = undefined
  await test.dispose()
})
function startWorker(drivers: DriverRegistry) {
  void test.database.life.register('proc')
  const { database, ctx } = test
  const started = runWorker({
    database,
    drivers,
    vault: ctx.vault,
    clock: ctx.clock,
    log: silent,
    processId: 'proc',
    concurrency: 1,
  })
  started.start()
  worker = started
}
const people = [{ email: 'a@example.com', name: 'A' }]

/** The local driver, whose temporary file leads to the full device in the first attempt. */
function fullAtFirst(): Driver {
  const local = localDirectory({ exportRoot: test.exportRoot })
  return {
    ...local,
    type: 'FULL_AT_FIRST',
    async deliverFiles(target) {
      const delivery = await local.deliverFiles?.(target)
      if (!delivery) throw new Error('the local driver delivers files')
      return {
        ...delivery,
        openPart(name) {
          const temporary = path.join(test.exportRoot, 'out', `.${target.runId}-${target.fence}-${name}.part`)
          if (target.fence === 1) fs.symlinkSync('/dev/full', temporary)
          return delivery.openPart(name)
        },
      }
    },
  }
}

// Linux has a device that is always full, and a folder that refuses everybody.
describe.runIf(process.platform === 'linux')('an export folder', () => {
  it('on a full disk: the run is tried again, and succeeds when there is space', async () => {
    const destination = { id: 'dst_1', name: 'Disk', type: 'FULL_AT_FIRST', settings: { path: 'out' } }
    const run = await aQueuedRun(test, await aSnapshot(test, people), { destination })
    startWorker(driverRegistry({ exportRoot: test.exportRoot, outbound: toLoopback }, [fullAtFirst()]))
    const events = await untilEnded(test, run.id)
    const retrying = events.filter((event) => event.type === 'RETRYING')
    expect(retrying[0]?.message).toMatch(/disk of the export folder is full. Free space/)
    expect(events.at(-1)?.type).toBe('SUCCEEDED')
    expect(
      fs.readdirSync(path.join(test.exportRoot, 'out')).filter((name) => name.endsWith('.part')),
    ).toEqual([])
  })

  it('without write permission: the run fails at once and says what to do', async () => {
    const run = await aQueuedRun(test, await aSnapshot(test, people))
    startWorker(driverRegistry({ exportRoot: '/sys', outbound: toLoopback }))
    await untilEnded(test, run.id)
    expect((await runRow(test, run.id)).error).toMatchObject({
      code: 'REFUSED_WRITE',
      message: expect.stringContaining('Give it write permission'),
      retryable: false,
    })
  })
})
