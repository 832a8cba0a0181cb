// Who may ask for which field. For most roles that is a matter of rows and of what services allow (domain/access.ts).
// A partner is a stranger: for it every field is closed but the ones listed here, and that is settled before anything
// is executed, so that the answer cannot depend on what there is.
import {
  type DocumentNode,
  type FieldNode,
  GraphQLError,
  type GraphQLSchema,
  type OperationDefinitionNode,
  separateOperations,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql'
import { type Session, visibleDestinations } from '../domain/access.ts'

/**
 * What a partner may select: metadata of its own destinations' mappings, that is ids, numbers, names, descriptions,
 * statuses and dates. No settings, rules, sizes or counters of profiles, and of a run only that it was and how it
 * ended. Which objects it finds there is settled by `visibleDestinations`.
 */
export const PARTNER_FIELDS: Readonly<Record<string, string>> = {
  Query: 'viewer guardrails sandboxes node nodes destination destinations dataflow segment run',
  Subscription: 'segmentMappingChanged',
  Viewer: 'name roles sandbox destinations rateLimit',
  RateLimit: 'limit remaining resetAt',
  Sandbox: 'id name title',
  Guardrails:
    'maxSegmentsPerActivation minSecondsBetweenMappingAndAdHoc maxRowsPerFile maxSegmentsPerDestination maxFieldsPerDataflow maxDestinationsPerSandbox maxPageSize maxQueryDepth maxQueryCost',
  Node: 'id',
  Destination: 'id number name description type status segmentMappings createdAt updatedAt',
  DestinationType: 'name title',
  SegmentMapping:
    'id number segment dataflow destination elementName elementDescription elementStatus schedule activatedAt adHocAllowedFrom lastRun createdAt updatedAt',
  Schedule: 'startDate endDate',
  Segment: 'id number name description status createdAt updatedAt',
  Dataflow: 'id name description destination state createdAt updatedAt',
  Run: 'id dataflow segment trigger status createdAt startedAt completedAt',
  SegmentMappingChange: 'cursor mapping at',
  DestinationConnection: 'edges nodes pageInfo totalCount',
  DestinationEdge: 'node cursor',
  SegmentMappingConnection: 'edges nodes pageInfo totalCount',
  SegmentMappingEdge: 'node cursor',
  PageInfo: 'hasNextPage hasPreviousPage startCursor endCursor',
}

const MAX_ERRORS = 5

/** What of an operation is not for the session, by its fields alone; looked for once per operation of a document. */
export function fieldAccess() {
  const known = new WeakMap<OperationDefinitionNode, readonly GraphQLError[]>()
  const allowed = new Map(Object.entries(PARTNER_FIELDS).map(([type, names]) => [type, names.split(' ')]))
  const isOpen = (type: string, field: string) => field.startsWith('__') || allowed.get(type)?.includes(field)

  const look = ({ schema, document, operation }: Asked): readonly GraphQLError[] => {
    const types = new TypeInfo(schema)
    const refused: GraphQLError[] = []
    const enter = (node: FieldNode) => {
      const type = types.getParentType()?.name ?? ''
      const field = node.name.value
      if (isOpen(type, field)) return undefined
      refused.push(forbidden(`${type}.${field} is not for partners.`, node))
      return false
    }
    // Other operations of the document are not executed, so they may be anybody's.
    const own = separateOperations(document)[operation.name?.value ?? '']
    visit(own ?? document, visitWithTypeInfo(types, { Field: enter }))
    return refused.slice(0, MAX_ERRORS)
  }

  return (session: Session, asked: Asked): readonly GraphQLError[] => {
    if (visibleDestinations(session) === null) return []
    const errors = known.get(asked.operation) ?? look(asked)
    known.set(asked.operation, errors)
    return errors
  }
}

interface Asked {
  schema: GraphQLSchema
  document: DocumentNode
  operation: OperationDefinitionNode
}

function forbidden(message: string, node: FieldNode): GraphQLError {
  const extensions = { code: 'FORBIDDEN', http: { status: 403 } }
  return new GraphQLError(message, { nodes: [node], extensions })
}
