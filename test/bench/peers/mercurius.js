// Mercurius with its JIT and bare resolvers on the gateway's tables: no authentication, no limits.
import Fastify from 'fastify'
import { GraphQLScalarType } from 'graphql'
import mercurius from 'mercurius'
import { openRows } from './rows.js'

const rows = openRows(process.argv[2])

const schema = `
  scalar DateTime
  scalar BigInt
  enum SegmentStatus { DRAFT ACTIVE INACTIVE DELETED }
  enum DataflowState { ENABLED DISABLED }
  enum MappingStatus { ACTIVE INACTIVE DELETED }
  enum RunStatus { QUEUED PROCESSING SUCCESS FAILED CANCELLING CANCELLED }
  type Query {
    segments(first: Int = 20): SegmentConnection!
    destination(id: ID!): Destination
  }
  type Segment { id: ID! number: Int! name: String! status: SegmentStatus! createdAt: DateTime! }
  type Destination {
    id: ID! number: Int! name: String!
    dataflows(first: Int = 20): DataflowConnection!
    segmentMappings(filter: SegmentMappingFilter, first: Int = 20): SegmentMappingConnection!
  }
  type Dataflow {
    id: ID! name: String! state: DataflowState!
    segmentMappings(first: Int = 20): SegmentMappingConnection!
    runs(first: Int = 20): RunConnection!
  }
  type SegmentMapping {
    number: Int! elementName: String! elementDescription: String elementStatus: MappingStatus! segment: Segment!
  }
  input SegmentMappingFilter { numbers: [Int!] }
  type Run { id: ID! status: RunStatus! createdAt: DateTime! completedAt: DateTime progress: Progress! }
  type Progress { exported: BigInt! bytes: BigInt! }
  type SegmentConnection { nodes: [Segment!]! }
  type DataflowConnection { nodes: [Dataflow!]! }
  type SegmentMappingConnection { nodes: [SegmentMapping!]! }
  type RunConnection { nodes: [Run!]! }
`
const resolvers = {
  DateTime: new GraphQLScalarType({ name: 'DateTime', serialize: (ms) => new Date(ms).toISOString() }),
  BigInt: new GraphQLScalarType({ name: 'BigInt', serialize: (value) => value }),
  Query: {
    segments: (_, { first }) => ({ nodes: rows.segments(first) }),
    destination: (_, { id }) => rows.destination(id),
  },
  Destination: {
    dataflows: ({ id }, { first }) => ({ nodes: rows.dataflows(id, first) }),
    segmentMappings: ({ id }, { filter, first }) => ({ nodes: rows.lookup(id, filter.numbers, first) }),
  },
  Dataflow: {
    segmentMappings: ({ id }, { first }) => ({ nodes: rows.mappings(id, first) }),
    runs: ({ id }, { first }) => ({ nodes: rows.runs(id, first) }),
  },
  SegmentMapping: {
    segment: ({ segmentId, segmentNumber, segmentName, segmentStatus }) => ({
      id: segmentId,
      number: segmentNumber,
      name: segmentName,
      status: segmentStatus,
    }),
  },
  Run: { progress: (run) => run },
}

const app = Fastify()
app.register(mercurius, { schema, resolvers, jit: 1 })
await app.listen({ port: 0, host: '127.0.0.1' })
console.log(`listening on http://127.0.0.1:${app.server.address().port}`)
