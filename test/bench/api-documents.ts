// What is asked, in the words of the gateway's schema; the peers answer the very same documents.
import type { ApiData } from './api-data.ts'

export interface Document {
  key: string
  about: string
  /** As whom the gateway is asked. */
  role: 'ADMIN' | 'PARTNER'
  /** The requests that are sent in turn: not always the same one, so that nobody answers from memory. */
  bodies: string[]
}

export function documents(data: ApiData): Document[] {
  return [
    {
      key: 'a',
      about: 'a page of 50 segments with 5 fields',
      role: 'ADMIN',
      bodies: [
        body(
          'SegmentPage',
          'query SegmentPage { segments(first: 50) { nodes { id number name status createdAt } } }',
        ),
      ],
    },
    {
      key: 'b',
      about: 'a destination, 2 dataflows, 10 mapped segments and 5 runs each',
      role: 'ADMIN',
      bodies: data.map(({ id }) => body('DestinationOverview', OVERVIEW, { id })),
    },
    {
      key: 'c',
      about: "a partner's lookup of 100 numbers",
      role: 'PARTNER',
      bodies: data.map(({ id, numbers }) =>
        body('PartnerLookup', LOOKUP, { id, numbers: numbers.filter((number) => number % 5 > 2) }),
      ),
    },
  ]
}

const OVERVIEW = `query DestinationOverview($id: ID!) {
  destination(id: $id) {
    id number name
    dataflows(first: 2) { nodes {
      id name state
      segmentMappings(first: 10) { nodes { number elementName segment { id number name status } } }
      runs(first: 5) { nodes { id status createdAt completedAt progress { exported bytes } } }
    } }
  }
}`
const LOOKUP = `query PartnerLookup($id: ID!, $numbers: [Int!]!) {
  destination(id: $id) {
    segmentMappings(first: 100, filter: { numbers: $numbers }) { nodes {
      number elementName elementDescription elementStatus segment { number name }
    } }
  }
}`

const body = (operationName: string, query: string, variables: object = {}) =>
  JSON.stringify({ query, variables, operationName })
