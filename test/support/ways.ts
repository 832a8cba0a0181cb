// A plain POST of JSON takes a short way to the engine; a query string makes it take yoga's own, which everything
// unusual takes. Suites run by both: they must answer alike.
export const ways = [
  { name: 'by the short way', path: '/graphql' },
  { name: "by yoga's way", path: '/graphql?unusual' },
] as const
