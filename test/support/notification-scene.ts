// A sandbox whose runs somebody is told of: a target at a receiver, and runs that are moved on by hand.
import { and, eq } from 'drizzle-orm'
import type { NotificationEvent } from '../../src/domain/notification.ts'
import { notifier } from '../../src/engine/notifier.ts'
import { notificationTargetService } from '../../src/services/notification-target.ts'
import { newId } from '../../src/storage/ids.ts'
import { runStore } from '../../src/storage/run.ts'
import { type Outcome, runLease } from '../../src/storage/run-lease.ts'
import type { NewRow, Row } from '../../src/storage/tables.ts'
import type { TestDatabase } from './database.ts'
import { csvFormat } from './export-scene.ts'
import { SECRET } from './webhook-receiver.ts'

export const EVERYTHING: NotificationEvent[] = ['START', 'SUCCESS', 'FAILURE', 'DELAY', 'SKIPPED_RATE']
const FAILURE = { code: 'UNAVAILABLE', message: 'It is down.', retryable: true }

export interface MappingOf {
  id: string
  dataflowId: string
  segmentId: string
}

export async function notificationScene(test: TestDatabase) {
  const { database, ctx, sandboxId, session } = test
  const { db, tables } = database
  const lease = runLease(database, 'proc_worker')
  await database.life.register('proc_worker')
  const targets = notificationTargetService(ctx)

  return {
    targets,
    async target(url: string, changes: { events?: NotificationEvent[]; dataflowIds?: string[] } = {}) {
      const input = { name: 'Pager', url, events: EVERYTHING, secret: SECRET, ...changes }
      return (await targets.create(session, input)).target
    },
    async row(id: string): Promise<Row<'notificationTargets'>> {
      const [row] = await db
        .select()
        .from(tables.notificationTargets)
        .where(eq(tables.notificationTargets.id, id))
      if (!row) throw new Error('there is no such target')
      return row
    },
    /** What waits to be sorted and to be sent. */
    async backlog() {
      return {
        news: (await db.select().from(tables.runNews)).length,
        messages: (await db.select().from(tables.notificationMessages)).length,
      }
    },
    async notifier(processId = `proc_${newId('run')}`) {
      const { messenger, vault, clock, log } = ctx
      await database.life.register(processId)
      return notifier({ database, messenger, vault, clock, log, processId, pollMs: 20 })
    },
    async mapping(dataflowId = newId('dataflow')): Promise<MappingOf> {
      const mapping = { id: newId('segmentMapping'), dataflowId, segmentId: newId('segment') }
      const at = ctx.clock()
      const [last] = await db
        .select({ number: tables.segmentMappings.number })
        .from(tables.segmentMappings)
        .orderBy(tables.segmentMappings.number)
        .then((rows) => rows.slice(-1))
      const row = {
        ...mapping,
        sandboxId,
        number: (last?.number ?? 0) + 1,
        destinationId: 'dst_1',
        elementName: 'Segment',
        elementStatus: 'ACTIVE' as const,
        schedule: {
          frequency: 'DAILY' as const,
          trigger: 'SCHEDULED' as const,
          startDate: '2020-01-01',
          startTime: '00:00',
          endDate: null,
        },
        exportMode: 'DAILY_FULL_EXPORT' as const,
        activatedAt: at,
        adHocAllowedFrom: at,
        createdAt: at,
        updatedAt: at,
      }
      await database.batch([db.insert(tables.segmentMappings).values(row)])
      return mapping
    },
    async unmap({ id }: MappingOf) {
      const { segmentMappings: mappings } = tables
      await database.batch([db.update(mappings).set({ elementStatus: 'DELETED' }).where(eq(mappings.id, id))])
    },
    async queued({ id: mappingId, dataflowId, segmentId }: MappingOf, changes: Partial<NewRow<'runs'>> = {}) {
      const run = {
        id: newId('run'),
        sandboxId,
        dataflowId,
        destinationId: 'dst_1',
        segmentId,
        mappingId,
        trigger: 'SCHEDULED' as const,
        mode: 'FULL' as const,
        plan: {
          destination: { id: 'dst_1', name: 'Disk', type: 'LOCAL_DIRECTORY', settings: {} },
          accountId: null,
          dataflow: { id: dataflowId, name: 'Flow' },
          segment: { id: segmentId, name: 'Buyers' },
          snapshot: { id: 'snp_1', version: 1 },
          fields: [],
          deduplicateBy: [],
          consentAttribute: null,
          fileFormat: csvFormat,
          fileName: 'x',
          isStaticName: false,
        },
        total: 1_000,
        createdAt: ctx.clock(),
        ...changes,
      }
      await database.batch(runStore(database).insertQueued(run))
      return run.id
    },
    /** Takes up the oldest run that waits. */
    async start() {
      const run = await lease.claim(ctx.clock())
      if (!run) throw new Error('no run waits')
      return { runId: run.id, fence: run.fence }
    },
    end: (claim: { runId: string; fence: number }, outcome: Outcome) =>
      lease.end(claim, outcome, ctx.clock()),
    /** A whole run. */
    async run(mapping: MappingOf, how: 'SUCCESS' | 'FAILED' | { excluded: number; failed: number }) {
      await this.queued(mapping)
      const claim = await this.start()
      const { excluded, failed } = typeof how === 'string' ? { excluded: 0, failed: 0 } : how
      const counters = {
        received: 1_000,
        exported: 1_000 - excluded - failed,
        excluded,
        failed,
        bytes: 1,
        files: 1,
      }
      await this.end(
        claim,
        how === 'FAILED' ? { status: how, error: FAILURE } : { status: 'SUCCESS', counters },
      )
      return claim.runId
    },
    eventOf: async (runId: string, type: Row<'runEvents'>['type']) => {
      const { runEvents } = tables
      const [event] = await db
        .select()
        .from(runEvents)
        .where(and(eq(runEvents.runId, runId), eq(runEvents.type, type)))
      return event
    },
  }
}
