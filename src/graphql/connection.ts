// The Relay connection of the contract: edges, nodes, pageInfo, and a totalCount that is counted only when asked for.
import type { ArgBuilder, ObjectRef } from '@pothos/core'
import type { Page } from '../storage/paging.ts'
import { builder, type SchemaTypes } from './builder.ts'

type Builder = PothosSchemaTypes.SchemaBuilder<PothosSchemaTypes.ExtendDefaultTypes<SchemaTypes>>
export type Types = Builder['$inferSchemaTypes']
/** A reference to an object type of this schema, by the shape its resolvers get. */
export type TypeRef<Shape> = ObjectRef<Types, Shape>

/** What makes the fields of an object type, by the shape its resolvers get. */
export type FieldBuilder<Shape> = PothosSchemaTypes.ObjectFieldBuilder<Types, Shape>

/** The paging arguments of every connection. */
export const pageArgs = (t: ArgBuilder<Types>) => ({
  first: t.int({
    description: 'How many from the start, 1 to 100; 20 when neither first nor last is given.',
  }),
  after: t.string({ description: 'The cursor after which to start.' }),
  last: t.int({ description: 'How many from the end, 1 to 100. Not together with first.' }),
  before: t.string({ description: 'The cursor before which to end.' }),
})

/** Where a page of a list lies in that list. */
export const pageInfo = builder
  .objectRef<
    Pick<Page<never>, 'hasNextPage' | 'hasPreviousPage'> & { cursorAt(index: number): string | null }
  >('PageInfo')
  .implement({
    description: 'Where a page lies in its list.',
    fields: (t) => ({
      hasNextPage: t.exposeBoolean('hasNextPage', { description: 'Whether more follows this page.' }),
      hasPreviousPage: t.exposeBoolean('hasPreviousPage', { description: 'Whether something precedes it.' }),
      startCursor: t.string({
        nullable: true,
        description: 'Cursor of the first element; null for an empty page.',
        resolve: ({ cursorAt }) => cursorAt(0),
      }),
      endCursor: t.string({
        nullable: true,
        description: 'Cursor of the last element; null for an empty page.',
        resolve: ({ cursorAt }) => cursorAt(-1),
      }),
    }),
  })

/** Defines `<name>Connection` and `<name>Edge` over an object type. */
export function connectionOf<Row>(name: string, node: TypeRef<Row>, plural: string): TypeRef<Page<Row>> {
  const edge = builder.objectRef<{ node: Row; page: Page<Row> }>(`${name}Edge`).implement({
    description: `One of the ${plural} of a page, with its place.`,
    fields: (t) => ({
      node: t.field({
        type: node,
        description: 'The element, as in `nodes` of the page.',
        // Pothos cannot resolve the shape of a type parameter; it is Row by construction.
        resolve: (parent) => parent.node as never,
      }),
      cursor: t.string({
        description: 'Its place in the list, for after and before.',
        resolve: (parent) => parent.page.cursorOf(parent.node),
      }),
    }),
  })
  return builder.objectRef<Page<Row>>(`${name}Connection`).implement({
    description: `A page of ${plural}.`,
    fields: (t) => ({
      edges: t.field({
        type: [edge],
        description: 'The elements of the page with their cursors.',
        resolve: (page) => page.rows.map((row) => ({ node: row, page })),
      }),
      nodes: t.field({
        type: [node],
        description: 'The elements of the page.',
        resolve: (page) => page.rows as never[], // as above
      }),
      pageInfo: t.field({
        type: pageInfo,
        description: 'What there is before and after the page, and the cursors to go on with.',
        resolve: ({ rows, cursorOf, hasNextPage, hasPreviousPage }) => ({
          hasNextPage,
          hasPreviousPage,
          cursorAt: (index) => {
            const row = rows.at(index)
            return row === undefined ? null : cursorOf(row)
          },
        }),
      }),
      totalCount: t.int({
        description: 'How many there are on all pages together. Counted only when asked for.',
        resolve: (page) => page.totalCount(),
      }),
    }),
  })
}
