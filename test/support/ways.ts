// A plain POST of JSON can be answered in two ways that must not differ; a query string makes it the unusual one.
export const ways = [
  { name: 'as usual', path: '/graphql' },
  { name: 'with a query string', path: '/graphql?unusual' },
] as const
