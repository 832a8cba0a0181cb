// The builder, and no type: types/<noun>.ts define those, schema.ts imports them.
import SchemaBuilder from '@pothos/core'
import type { ApiContext } from './context.ts'

export interface SchemaTypes {
  Context: ApiContext
  DefaultFieldNullability: false
  Scalars: {
    ID: { Input: string; Output: string }
    DateTime: { Input: Date; Output: Date }
    Date: { Input: string; Output: string }
    JSON: { Input: NonNullable<unknown>; Output: unknown }
    BigInt: { Input: number; Output: number }
  }
}

export const builder = new SchemaBuilder<SchemaTypes>({ defaultFieldNullability: false })

builder.queryType({ description: 'Reads. Nothing here changes anything.' })
builder.mutationType({
  description:
    "Writes, run one after the other. What a caller can mend is in the payload's `errors`; a missing or refused right is a top-level error with extensions.code UNAUTHENTICATED or FORBIDDEN; what a caller may not know of is NOT_FOUND.",
})
builder.subscriptionType({
  description: 'Live streams, over WebSocket (graphql-transport-ws) or as text/event-stream.',
})
