import { readFileSync } from 'node:fs'
import {
  buildSchema,
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLNamedType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  print,
  valueToLiteral,
} from 'graphql'
import { describe, expect, it } from 'vitest'
import { schema } from '../../src/graphql/schema.ts'

const contract = buildSchema(readFileSync(new URL('../data/contract.graphql', import.meta.url), 'utf8'))

/** What this version has beyond the contract. */
const ADDED = [
  'AuditEntry',
  'AuditEntry.after',
  'AuditEntry.at',
  'AuditEntry.before',
  'AuditEntry.clientOperation',
  'AuditEntry.codes',
  'AuditEntry.hash',
  'AuditEntry.operation',
  'AuditEntry.outcome',
  'AuditEntry.previousHash',
  'AuditEntry.requestId',
  'AuditEntry.seq',
  'AuditEntry.targetId',
  'AuditEntry.targetType',
  'AuditEntry.tokenId',
  'AuditEntry.tokenName',
  'AuditEntryConnection',
  'AuditEntryConnection.edges',
  'AuditEntryConnection.nodes',
  'AuditEntryConnection.pageInfo',
  'AuditEntryConnection.totalCount',
  'AuditEntryEdge',
  'AuditEntryEdge.cursor',
  'AuditEntryEdge.node',
  'AuditFilter',
  'AuditFilter.after',
  'AuditFilter.before',
  'AuditFilter.operations',
  'AuditFilter.outcomes',
  'AuditFilter.targetId',
  'AuditFilter.tokenId',
  'AuditOutcome',
  'AuditOutcome.DONE',
  'AuditOutcome.INTERRUPTED',
  'AuditOutcome.REFUSED',
  'AuditOutcome.STARTED',
  'CreateNotificationTargetInput',
  'CreateNotificationTargetInput.dataflowIds',
  'CreateNotificationTargetInput.events',
  'CreateNotificationTargetInput.name',
  'CreateNotificationTargetInput.secret',
  'CreateNotificationTargetInput.url',
  'CreateNotificationTargetPayload',
  'CreateNotificationTargetPayload.errors',
  'CreateNotificationTargetPayload.notificationTarget',
  'CreateNotificationTargetPayload.secret',
  'Dataflow.health',
  'Dataflow.lastSuccessAt',
  'Dataflow.missedSlots',
  'DataflowHealth',
  'DataflowHealth.FAILING',
  'DataflowHealth.HEALTHY',
  'DataflowHealth.LATE',
  'DataflowHealth.PAUSED',
  'Destination.fields',
  'DestinationAccount.details',
  'FileFormat.emptyValue',
  'FileFormat.header',
  'FileFormat.neutralizeFormulas',
  'FileFormat.publicKey',
  'FileFormatInput.emptyValue',
  'FileFormatInput.header',
  'FileFormatInput.neutralizeFormulas',
  'FileFormatInput.publicKey',
  'Mutation.createNotificationTarget',
  'Mutation.createNotificationTarget(input:)',
  'Mutation.deleteNotificationTarget',
  'Mutation.deleteNotificationTarget(id:)',
  'Mutation.testNotificationTarget',
  'Mutation.testNotificationTarget(id:)',
  'Mutation.updateNotificationTarget',
  'Mutation.updateNotificationTarget(input:)',
  'NotificationEvent',
  'NotificationEvent.DELAY',
  'NotificationEvent.FAILURE',
  'NotificationEvent.SKIPPED_RATE',
  'NotificationEvent.START',
  'NotificationEvent.SUCCESS',
  'NotificationTarget',
  'NotificationTarget.createdAt',
  'NotificationTarget.dataflows',
  'NotificationTarget.droppedMessages',
  'NotificationTarget.events',
  'NotificationTarget.failingSince',
  'NotificationTarget.id',
  'NotificationTarget.lastDeliveredAt',
  'NotificationTarget.lastError',
  'NotificationTarget.name',
  'NotificationTarget.status',
  'NotificationTarget.updatedAt',
  'NotificationTarget.url',
  'NotificationTarget.waitingMessages',
  'NotificationTargetConnection',
  'NotificationTargetConnection.edges',
  'NotificationTargetConnection.nodes',
  'NotificationTargetConnection.pageInfo',
  'NotificationTargetConnection.totalCount',
  'NotificationTargetEdge',
  'NotificationTargetEdge.cursor',
  'NotificationTargetEdge.node',
  'NotificationTargetPayload',
  'NotificationTargetPayload.errors',
  'NotificationTargetPayload.notificationTarget',
  'NotificationTargetStatus',
  'NotificationTargetStatus.ACTIVE',
  'NotificationTargetStatus.FAILING',
  'NotificationTargetStatus.RETRYING',
  'Query.auditLog',
  'Query.auditLog(after:)',
  'Query.auditLog(before:)',
  'Query.auditLog(filter:)',
  'Query.auditLog(first:)',
  'Query.auditLog(last:)',
  'Query.notificationTarget',
  'Query.notificationTarget(id:)',
  'Query.notificationTargets',
  'Query.notificationTargets(after:)',
  'Query.notificationTargets(before:)',
  'Query.notificationTargets(first:)',
  'Query.notificationTargets(last:)',
  'Query.segmentationJobs',
  'Query.segmentationJobs(after:)',
  'Query.segmentationJobs(before:)',
  'Query.segmentationJobs(filter:)',
  'Query.segmentationJobs(first:)',
  'Query.segmentationJobs(last:)',
  'Run.dueAt',
  'Run.isLate',
  'Run.missedSlots',
  'Sandbox.nextSegmentationAt',
  'SegmentFailure',
  'SegmentFailure.error',
  'SegmentFailure.segment',
  'SegmentationJob.dueAt',
  'SegmentationJob.failures',
  'SegmentationJobConnection',
  'SegmentationJobConnection.edges',
  'SegmentationJobConnection.nodes',
  'SegmentationJobConnection.pageInfo',
  'SegmentationJobConnection.totalCount',
  'SegmentationJobEdge',
  'SegmentationJobEdge.cursor',
  'SegmentationJobEdge.node',
  'SegmentationJobFilter',
  'SegmentationJobFilter.status',
  'SegmentationJobFilter.trigger',
  'UpdateDestinationInput.accountId',
  'UpdateNotificationTargetInput',
  'UpdateNotificationTargetInput.dataflowIds',
  'UpdateNotificationTargetInput.events',
  'UpdateNotificationTargetInput.id',
  'UpdateNotificationTargetInput.name',
  'UpdateNotificationTargetInput.secret',
  'UpdateNotificationTargetInput.url',
]

describe('the schema', () => {
  it('has all of the contract, and nothing unlisted beyond it', () => {
    const ours = coordinates(schema)
    const theirs = coordinates(contract)
    const missing = [...theirs.keys()].filter((name) => !ours.has(name))
    const beyond = [...ours.keys()].filter((name) => !theirs.has(name))
    expect(missing).toEqual([])
    expect(beyond.sort()).toEqual(ADDED)
  })

  it('means the same wherever both speak: types, nullability, defaults, interfaces', () => {
    const theirs = coordinates(contract)
    const differences = [...coordinates(schema)]
      .filter(([name, signature]) => theirs.has(name) && theirs.get(name) !== signature)
      .map(([name, signature]) => `${name}: ${signature}, but the contract has ${theirs.get(name)}`)
    expect(differences).toEqual([])
  })

  it('lists arguments in the order of the contract', () => {
    for (const [name, type] of Object.entries(contract.getTypeMap())) {
      const own = schema.getType(name)
      if (!isObjectType(type) || !isObjectType(own) || isIntrospectionType(type)) continue
      for (const [key, field] of Object.entries(type.getFields())) {
        const names = own.getFields()[key]?.args.map((arg) => arg.name)
        if (names) expect(names, `${name}.${key}`).toEqual(field.args.map((arg) => arg.name))
      }
    }
  })
})

const ownTypes = (of: GraphQLSchema): GraphQLNamedType[] =>
  Object.values(of.getTypeMap()).filter(
    (type) => !isIntrospectionType(type) && !['String', 'Int', 'Float', 'Boolean', 'ID'].includes(type.name),
  )

/** Every schema coordinate with what it promises. */
function coordinates(of: GraphQLSchema): Map<string, string> {
  const found = new Map<string, string>()
  for (const type of ownTypes(of)) {
    const isOneOf = isInputObjectType(type) && type.isOneOf ? ' @oneOf' : ''
    const interfaces =
      isObjectType(type) || isInterfaceType(type) ? type.getInterfaces().map((one) => one.name) : []
    found.set(type.name, `${type.constructor.name} ${interfaces.sort().join(' & ')}${isOneOf}`)
    if (isEnumType(type))
      for (const value of type.getValues()) found.set(`${type.name}.${value.name}`, 'value')
    if (isInputObjectType(type)) {
      for (const field of Object.values(type.getFields()))
        found.set(`${type.name}.${field.name}`, input(field))
    }
    if (isObjectType(type) || isInterfaceType(type)) {
      for (const field of Object.values(type.getFields())) {
        found.set(`${type.name}.${field.name}`, String(field.type))
        for (const arg of field.args) found.set(`${type.name}.${field.name}(${arg.name}:)`, input(arg))
      }
    }
  }
  return found
}

function input(of: GraphQLArgument | GraphQLInputField): string {
  const fallback = of.default ?? (of.defaultValue === undefined ? undefined : { value: of.defaultValue })
  if (!fallback) return String(of.type)
  const literal = 'literal' in fallback ? fallback.literal : valueToLiteral(fallback.value, of.type)
  return `${of.type} = ${literal ? print(literal) : '?'}`
}
