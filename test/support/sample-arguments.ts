// Arguments that are good for a call, by field; several where a field has several kinds of answer.
import type { TestGateway } from './api.ts'
import type { FullWorld } from './full-world.ts'

/** What stands in the parentheses; made anew for each call, because calls may use things up. */
export type Argument = string | (() => string | Promise<string>)

const RULE = 'rule: { attribute: { path: "email", operator: EXISTS } }'
const SCHEDULE = 'schedule: { frequency: DAILY, startDate: "2020-01-01", startTime: "00:00" }'
const ABSENT = `seg_${'0'.repeat(32)}`

export function sampleArguments(gateway: TestGateway, full: FullWorld): Record<string, Argument[]> {
  const { ids, dataflow, destination, fresh, world } = full
  const inSegment = `rule: { segment: "${ids.Segment}" }`
  let count = 0
  const name = () => {
    count += 1
    return `n${count}`
  }
  const activation = (segmentIds: string[], dataflowId = dataflow.id) =>
    `input: { activations: [{ dataflowId: "${dataflowId}", segmentIds: ${JSON.stringify(segmentIds)} }] }`
  const soon = () => new Date(Date.now() + 60_000)
  const checks: Argument[] = [
    async () => activation([(await fresh.mapping()).segmentId]),
    activation([ids.Segment]),
    activation(Array.from({ length: 81 }, (_, index) => `seg_${index}`)),
    async () => activation([(await fresh.segment()).id]),
    async () => activation([(await fresh.mapping({ adHocAllowedFrom: soon() })).segmentId]),
    activation([ids.Segment], 'flow_x'),
  ]
  const freshDestination = async () => (await world.destination(full.kept)).id
  const freshDataflow = async () => (await world.dataflow(destination)).id
  const account = (agreed: boolean) =>
    `input: { name: "${name()}", type: "HTTP_STORE", settings: { url: "http://127.0.0.1", user: "ops" }, secrets: { password: "x" }, agreeToDataTransfer: ${agreed} }`
  const freshAccount = async (login = { ...full.login, password: 'wrong' }) => {
    const { password, ...settings } = login
    const { destinationAccount } = gateway.parts.services
    const input = {
      name: 'New',
      type: 'HTTP_STORE',
      settings,
      secrets: { password },
      agreeToDataTransfer: true,
    }
    return (await destinationAccount.create(full.session, input)).id
  }

  const freshTarget = async () => {
    const input = { name: 'New', url: 'http://127.0.0.1:9', events: ['START' as const] }
    const { target } = await gateway.parts.services.notificationTarget.create(full.session, input)
    return `id: "${target.id}"`
  }

  return {
    'Query.node': Object.values(ids).map((id) => `id: "${id}"`),
    'Query.nodes': [`ids: ${JSON.stringify(Object.values(ids))}`],
    'Query.activation': [`id: "${ids.Activation}"`],
    'Query.dataflow': [`id: "${ids.Dataflow}"`],
    'Query.destination': [`id: "${ids.Destination}"`],
    'Query.destinationAccount': [`id: "${ids.DestinationAccount}"`],
    'Query.notificationTarget': [`id: "${ids.NotificationTarget}"`],
    'Query.run': [`id: "${ids.Run}"`],
    'Query.segment': [`id: "${ids.Segment}"`],
    'Query.segmentationJob': [`id: "${ids.SegmentationJob}"`],
    'Query.previewSegment': [RULE, inSegment],
    'Query.checkActivation': checks,

    'Subscription.runEvents': [`runId: "${ids.Run}"`],
    'Subscription.segmentMappingChanged': [`destinationId: "${ids.Destination}"`],

    'Query.auditLog': [`filter: { targetId: "${dataflow.id}" }`],
    'Mutation.activate': checks,
    'Mutation.cancelRun': [async () => `id: "${(await fresh.run({ status: 'QUEUED' })).id}"`, 'id: "run_x"'],
    'Mutation.retryRun': [
      async () => `id: "${(await fresh.run({ status: 'FAILED', phase: 'DONE' })).id}"`,
      `id: "${ids.Run}"`,
    ],
    'Mutation.retryRejections': [
      async () => {
        const { id } = await fresh.run({ status: 'SUCCESS', phase: 'DONE', completedAt: new Date() })
        await fresh.refuse(id)
        return `id: "${id}"`
      },
      `id: "${ids.Run}"`,
    ],
    'Mutation.createSandbox': [
      () => `input: { name: "${name()}", title: "X" }`,
      'input: { name: "prod", title: "X" }',
    ],
    'Mutation.createApiToken': [
      () => `input: { name: "${name()}", roles: [VIEWER] }`,
      () => `input: { name: "${name()}", roles: [PARTNER], destinationIds: ["${ids.Destination}"] }`,
      'input: { name: "x", roles: [] }',
    ],
    'Mutation.revokeApiToken': [`id: "${ids.ApiToken}"`, 'id: "tok_x"'],
    'Mutation.createSegment': [
      () => `input: { name: "${name()}", ${RULE} }`,
      () => `input: { name: "${name()}", ${inSegment} }`,
      `input: { name: "", ${RULE} }`,
    ],
    'Mutation.updateSegment': [
      async () => `input: { id: "${(await fresh.segment()).id}", name: "${name()}", ${inSegment} }`,
      `input: { id: "${ABSENT}" }`,
    ],
    'Mutation.deleteSegment': [async () => `id: "${(await fresh.segment()).id}"`, `id: "${ABSENT}"`],
    'Mutation.evaluateSegments': [
      async () => {
        await fresh.endJobs()
        return `segmentIds: ["${ids.Segment}"]`
      },
      `segmentIds: ${JSON.stringify(Array.from({ length: 251 }, (_, index) => `seg_${index}`))}`,
    ],
    'Mutation.createDestinationAccount': [() => account(true), () => account(false)],
    'Mutation.updateDestinationAccount': [
      async () => `input: { id: "${await freshAccount()}", name: "${name()}" }`,
      'input: { id: "acc_x" }',
    ],
    'Mutation.verifyDestinationAccount': [
      async () => `id: "${await freshAccount(full.login)}"`,
      async () => `id: "${await freshAccount()}"`,
    ],
    'Mutation.removeDestinationAccount': [async () => `id: "${await freshAccount()}"`, 'id: "acc_x"'],
    'Mutation.createNotificationTarget': [
      () => `input: { name: "${name()}", url: "http://127.0.0.1:9", events: [FAILURE] }`,
      'input: { name: "", url: "x", events: [] }',
    ],
    'Mutation.updateNotificationTarget': [
      `input: { id: "${ids.NotificationTarget}", events: [START] }`,
      'input: { id: "ntf_x" }',
    ],
    'Mutation.deleteNotificationTarget': [freshTarget, 'id: "ntf_x"'],
    'Mutation.testNotificationTarget': [`id: "${ids.NotificationTarget}"`, 'id: "ntf_x"'],
    'Mutation.createDestination': [
      () => `input: { name: "${name()}", type: "LOCAL_DIRECTORY", settings: { path: "${name()}" } }`,
      () =>
        `input: { name: "${name()}", type: "HTTP_STORE", accountId: "${ids.DestinationAccount}", settings: { folder: "x" } }`,
      'input: { name: "x", type: "NONE", settings: {} }',
    ],
    'Mutation.updateDestination': [
      async () => `input: { id: "${await freshDestination()}", name: "${name()}" }`,
      'input: { id: "dst_x" }',
    ],
    'Mutation.removeDestination': [async () => `id: "${await freshDestination()}"`, 'id: "dst_x"'],
    'Mutation.createDataflow': [
      () =>
        `input: { name: "${name()}", destinationId: "${destination.id}", fields: [{ source: "email", target: "EMAIL" }] }`,
      'input: { name: "x", destinationId: "dst_x", fields: [] }',
    ],
    'Mutation.updateDataflow': [
      async () => `input: { id: "${await freshDataflow()}", name: "${name()}" }`,
      'input: { id: "flow_x" }',
    ],
    'Mutation.enableDataflow': [async () => `id: "${await freshDataflow()}"`, 'id: "flow_x"'],
    'Mutation.disableDataflow': [async () => `id: "${await freshDataflow()}"`, 'id: "flow_x"'],
    'Mutation.mapSegments': [
      async () =>
        `input: { dataflowId: "${await freshDataflow()}", segments: [{ segmentId: "${ids.Segment}", ${SCHEDULE} }] }`,
      'input: { dataflowId: "flow_x", segments: [] }',
    ],
    'Mutation.unmapSegments': [
      async () => `dataflowId: "${dataflow.id}", segmentIds: ["${(await fresh.mapping()).segmentId}"]`,
      'dataflowId: "flow_x", segmentIds: []',
    ],
    'Mutation.upsertProfiles': [
      () => `input: { key: "id", profiles: [{ id: "${name()}" }] }`,
      'input: { key: "id", profiles: [] }',
    ],
    'Mutation.deleteProfile': [
      async () => {
        const key = name()
        await fresh.profile(key)
        return `input: { key: "id", value: "${key}" }`
      },
      'input: { key: "id", value: "nobody" }',
    ],
  }
}
