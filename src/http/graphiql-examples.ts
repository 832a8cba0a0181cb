// The tabs that the editor opens with: one for each kind of user.

export interface ExampleTab {
  query: string
  /** JSON, as it is typed into the editor. */
  variables: string
}

const frontend = `# For frontends: what there is, and one activation.
query Overview {
  viewer { name roles sandbox { name } }
  segments(first: 20, filter: { status: [ACTIVE] }) {
    totalCount
    nodes { id name expression snapshot { profileCount evaluatedAt } }
  }
  destinations(first: 20) {
    nodes {
      id
      name
      dataflows(first: 10) { nodes { id name state segmentMappings(first: 10) { nodes { segment { id } adHocAllowedFrom } } } }
    }
  }
}

mutation Activate($dataflowId: ID!, $segmentIds: [ID!]!) {
  activate(input: { activations: [{ dataflowId: $dataflowId, segmentIds: $segmentIds }] }) {
    activation { id orders { segment { name } run { id status } } }
    errors { code message path ... on TooSoonError { allowedFrom } }
  }
}
`

const partner = `# For partners: names for the numbers that came with a file, and what has changed since.
query Lookup($destinationId: ID!, $numbers: [Int!]!) {
  destination(id: $destinationId) {
    name
    segmentMappings(first: 100, filter: { numbers: $numbers }) {
      nodes { number elementName elementDescription elementStatus segment { number } updatedAt }
    }
  }
}

query ChangedSince($destinationId: ID!, $since: DateTime!, $after: String) {
  destination(id: $destinationId) {
    segmentMappings(first: 100, after: $after, filter: { updatedSince: $since }) {
      nodes { number elementName elementDescription elementStatus updatedAt }
      pageInfo { hasNextPage endCursor }
    }
  }
}

subscription Follow($destinationId: ID!, $after: String) {
  segmentMappingChanged(destinationId: $destinationId, after: $after) {
    cursor
    mapping { number elementName elementStatus }
    at
  }
}
`

const watcher = `# For whoever watches: the newest runs, and the story of one, live.
query Runs {
  runs(first: 10) { nodes { id status phase segment { name } progress { exported total percent } createdAt } }
}

subscription Story($runId: ID!, $after: String) {
  runEvents(runId: $runId, after: $after) {
    cursor
    type
    status
    progress { exported percent }
    message
    at
  }
}

subscription AnyRun {
  runUpdated { id status phase segment { name } progress { exported total percent } }
}
`

export const EXAMPLE_TABS: ExampleTab[] = [
  { query: frontend, variables: pretty({ dataflowId: 'flow_…', segmentIds: ['seg_…'] }) },
  {
    query: partner,
    variables: pretty({
      destinationId: 'dst_…',
      numbers: [1, 2],
      since: '2026-01-01T00:00:00Z',
      after: null,
    }),
  },
  { query: watcher, variables: pretty({ runId: 'run_…', after: null }) },
]

function pretty(variables: object): string {
  return JSON.stringify(variables, null, 2)
}
