// Documents that no client of good will sends. Every one must be refused, over whatever transport. The numbers are those
// of the list of bad inputs that the tests go through.
const times = (count: number, make: (index: number) => string, between = ' ') =>
  Array.from({ length: count }, (_, index) => make(index)).join(between)

const cycle = (depth: number) =>
  `{ segments { ${'nodes { mappings { nodes { segment { mappings { '.repeat(depth)} totalCount ${'} } } } } '.repeat(depth)} } }`
/** f0 spreads f1 twice, f1 spreads f2 twice, and so on. */
const doubling = (levels: number, alias = '') =>
  `query { segments { ...f0 } } ${times(levels, (i) => `fragment f${i} on SegmentConnection { ...f${i + 1} ...f${i + 1} }`)} fragment f${levels} on SegmentConnection { ${alias}totalCount }`
const pages = (size: string) =>
  `segments(first: ${size}) { nodes { runs(first: ${size}) { nodes { id segment { name } } } } }`

export const attacks: { case: number; name: string; query: string; variables?: object; codes: string[] }[] = [
  {
    case: 18,
    name: '101 aliases',
    query: `{ ${times(101, (i) => `a${i}: __typename`)} }`,
    codes: ['ALIAS_LIMIT', 'ROOT_FIELD_LIMIT'],
  },
  {
    case: 18,
    name: '31 aliases below one field',
    query: `{ viewer { ${times(31, (i) => `a${i}: name`)} } }`,
    codes: ['ALIAS_LIMIT'],
  },
  {
    case: 18,
    name: 'aliases in fragments',
    query: `{ viewer { ...f ...g } } fragment f on Viewer { ${times(16, (i) => `a${i}: name`)} } fragment g on Viewer { ${times(16, (i) => `b${i}: name`)} }`,
    codes: ['ALIAS_LIMIT'],
  },
  { case: 21, name: 'a cycle of relations', query: cycle(6), codes: ['DEPTH_LIMIT'] },
  { case: 21, name: 'a deep cycle of relations', query: cycle(40), codes: ['DEPTH_LIMIT'] },
  { case: 22, name: 'nested pages, literal', query: `{ ${pages('100')} }`, codes: ['COST_LIMIT'] },
  {
    case: 22,
    name: 'nested pages, variable',
    query: `query ($n: Int) { ${pages('$n')} }`,
    variables: { n: 100 },
    codes: ['COST_LIMIT'],
  },
  {
    case: 22,
    name: 'nested pages, default',
    query: `query ($n: Int = 100) { ${pages('$n')} }`,
    codes: ['COST_LIMIT'],
  },
  {
    case: 22,
    name: 'nested pages, absurd size',
    query: `query ($n: Int) { ${pages('$n')} }`,
    variables: { n: 2_000_000_000 },
    codes: ['COST_LIMIT'],
  },
  {
    case: 22,
    name: 'orders of orders',
    query:
      '{ activation(id: "x") { orders { run { activation { orders { run { activation { orders { run { id } } } } } } } } } }',
    codes: ['COST_LIMIT'],
  },
  {
    case: 23,
    name: 'circular fragments',
    query: '{ viewer { ...a } } fragment a on Viewer { ...b } fragment b on Viewer { ...a }',
    codes: ['GRAPHQL_VALIDATION_FAILED'],
  },
  { case: 24, name: 'doubling fragments', query: doubling(30), codes: ['FIELD_LIMIT'] },
  { case: 24, name: 'doubling aliases', query: doubling(18, 'x: '), codes: ['FIELD_LIMIT', 'ALIAS_LIMIT'] },
  {
    case: 25,
    name: 'directives',
    query: `{ __typename ${times(200, () => '@skip(if: false)')} }`,
    codes: ['DIRECTIVE_LIMIT', 'TOKEN_LIMIT'],
  },
  {
    case: 25,
    name: 'unknown directives',
    query: `{ __typename ${times(400, (i) => `@a${i}`)} }`,
    codes: ['DIRECTIVE_LIMIT'],
  },
  {
    case: 26,
    name: 'repeated fields',
    query: `{ viewer { ${times(500, () => 'name')} } }`,
    codes: ['FIELD_LIMIT'],
  },
  {
    case: 26,
    name: 'many repeated fields',
    query: `{ viewer { ${times(5_000, () => 'name')} } }`,
    codes: ['TOKEN_LIMIT'],
  },
  { case: 27, name: 'tokens', query: `{ ${times(5_000, () => 'a')} }`, codes: ['TOKEN_LIMIT'] },
  { case: 27, name: 'blanks', query: `{ __typename ${' '.repeat(40_000)} }`, codes: ['DOCUMENT_LIMIT'] },
  {
    case: 27,
    name: 'comments',
    query: `{ __typename }\n${'#x\n'.repeat(12_000)}`,
    codes: ['DOCUMENT_LIMIT'],
  },
  {
    case: 27,
    name: 'a long string',
    query: `{ segment(id: "${'x'.repeat(40_000)}") { id } }`,
    codes: ['DOCUMENT_LIMIT'],
  },
  { case: 28, name: 'nested selections', query: '{a'.repeat(10_000), codes: ['TOKEN_LIMIT'] },
  {
    case: 28,
    name: 'nested lists',
    query: `{ nodes(ids: ${'['.repeat(10_000)}) { id } }`,
    codes: ['TOKEN_LIMIT'],
  },
  {
    case: 29,
    name: 'variables',
    query: `query (${times(60, (i) => `$v${i}: Int`)}) { __typename }`,
    codes: ['VARIABLE_LIMIT'],
  },
  {
    case: 29,
    name: 'operations',
    query: times(20, (i) => `query q${i} { __typename }`),
    codes: ['OPERATION_LIMIT'],
  },
  {
    case: 20,
    name: 'recursive introspection',
    query: `{ __schema { types { ${'fields { type { '.repeat(6)} name ${'} } '.repeat(6)} } } }`,
    codes: ['GRAPHQL_VALIDATION_FAILED'],
  },
  {
    case: 32,
    name: 'an unknown field named like a prototype',
    query: '{ __proto__ constructor }',
    codes: ['GRAPHQL_VALIDATION_FAILED'],
  },
  {
    case: 30,
    name: 'defer',
    query: '{ ... @defer { viewer { name } } }',
    codes: ['GRAPHQL_VALIDATION_FAILED'],
  },
  {
    case: 25,
    name: 'many mistakes',
    query: `{ ${times(19, (i) => `wrong${i}`)} }`,
    codes: ['GRAPHQL_VALIDATION_FAILED'],
  },
  { case: 28, name: 'a syntax error', query: '{ viewer { name }', codes: ['GRAPHQL_PARSE_FAILED'] },
  {
    case: 28,
    name: 'deep variables',
    query: 'query ($r: SegmentRuleInput!) { previewSegment(rule: $r) { profileCount } }',
    variables: { r: deep(1_000) },
    codes: ['BAD_USER_INPUT'],
  },
  {
    case: 18,
    name: '1,000 aliases',
    query: `{ ${times(1_000, (i) => `a${i}: __typename`)} }`,
    codes: ['TOKEN_LIMIT'],
  },
  {
    case: 20,
    name: 'recursive introspection of arguments',
    query: `{ __type(name: "Query") { ${'fields { args { type { ofType { '.repeat(4)} name ${'} } } } '.repeat(4)} } }`,
    codes: ['GRAPHQL_VALIDATION_FAILED'],
  },
  {
    case: 26,
    name: '20,000 repeated fields',
    query: `{ viewer { ${times(20_000, () => 'id')} } }`,
    codes: ['DOCUMENT_LIMIT'],
  },
  {
    case: 28,
    name: 'nested types',
    query: `query ($v: ${'['.repeat(10_000)}Int${']'.repeat(10_000)}) { __typename }`,
    codes: ['TOKEN_LIMIT'],
  },
  {
    case: 28,
    name: 'nested objects',
    query: `{ segments(filter: ${'{a:'.repeat(5_000)}1${'}'.repeat(5_000)}) { totalCount } }`,
    codes: ['TOKEN_LIMIT'],
  },
  {
    case: 28,
    name: 'lists nested as deep as a document may',
    query: `{ nodes(ids: ${'['.repeat(450)}"x"${']'.repeat(450)}) { id } }`,
    codes: ['GRAPHQL_VALIDATION_FAILED'],
  },
  {
    case: 29,
    name: '5,000 variables',
    query: `query (${times(5_000, (i) => `$v${i}: Int`)}) { __typename }`,
    codes: ['TOKEN_LIMIT', 'DOCUMENT_LIMIT'],
  },
  {
    case: 29,
    name: '200 operations',
    query: times(200, (i) => `query q${i} { __typename }`),
    codes: ['OPERATION_LIMIT'],
  },
  {
    case: 30,
    name: 'stream',
    query: '{ segments { nodes @stream(initialCount: 0) { id } } }',
    codes: ['GRAPHQL_VALIDATION_FAILED'],
  },
  {
    case: 32,
    name: 'unknown things named like members of every object',
    query: 'query ($hasOwnProperty: toString) { segment(constructor: $hasOwnProperty) { ...valueOf } }',
    codes: ['GRAPHQL_VALIDATION_FAILED'],
  },
]

function deep(levels: number): unknown {
  let rule: unknown = { segment: 'seg_x' }
  for (let level = 0; level < levels; level += 1) rule = { not: rule }
  return rule
}
