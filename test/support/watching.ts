// The three subscriptions over both transports, for tests of what they have in common.
import { aWorld } from './activation.ts'
import type { TestGateway } from './api.ts'
import { aQueuedRun } from './export-scene.ts'

export interface Watching {
  runId: string
  destinationId: string
  /** Name, document and variables of every subscription, each of which has something to tell at once. */
  subscriptions: { name: string; query: string; variables: object }[]
}

export async function watching(gateway: TestGateway): Promise<Watching> {
  const { test, parts } = gateway
  const { id: runId } = await aQueuedRun(test, { id: 'snp_x', version: 1, count: 100 })
  const { destination, dataflow, segments } = await aWorld(test)
  const schedule = { frequency: 'DAILY', startDate: '2026-01-04' } as const
  const [segment] = segments
  const input = {
    dataflowId: dataflow.id,
    segments: [{ segmentId: segment?.id ?? '', schedule, elementName: 'E' }],
  }
  await parts.services.dataflow.mapSegments(test.session, input)
  return {
    runId,
    destinationId: destination.id,
    subscriptions: [
      {
        name: 'runEvents',
        query:
          'subscription ($id: ID!, $after: String) { runEvents(runId: $id, after: $after) { cursor type } }',
        variables: { id: runId },
      },
      {
        name: 'runUpdated',
        query: 'subscription { runUpdated { id status } }',
        variables: {},
      },
      {
        name: 'segmentMappingChanged',
        query:
          'subscription ($id: ID!) { segmentMappingChanged(destinationId: $id) { cursor mapping { elementName } } }',
        variables: { id: destination.id },
      },
    ],
  }
}
