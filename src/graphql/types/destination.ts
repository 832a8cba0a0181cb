import { authorize, visibleDestinations } from '../../domain/access.ts'
import { fieldsOf } from '../../services/dataflow-content.ts'
import { builder } from '../builder.ts'
import { pageArgs } from '../connection.ts'
import { objectQuery } from '../object-query.ts'
import {
  dataflowConnection,
  destination,
  destinationAccount,
  destinationConnection,
  destinationType,
  segmentMappingConnection,
} from '../refs.ts'
import { reads, selectionOf } from '../selection.ts'
import { ORDER_FIELDS, orderInput } from './common.ts'
import { destinationField, typeOf } from './destination-type.ts'
import { node } from './node.ts'
import { MAPPING_LOOKUP, mappingArgs, mappingPage } from './segment-mapping.ts'

export const destinationStatus = builder.enumType('DestinationStatus', {
  description: 'Whether segments are sent to a destination.',
  values: {
    ENABLED: { description: 'Its dataflows may run.' },
    DISABLED: { description: 'Nothing is sent until it is enabled again.' },
    REMOVED: { description: 'Out of use for good; kept for history.' },
  },
})

destination.implement({
  description: 'One place that segments are sent to: a bucket and prefix, a remote folder, a mailing list.',
  interfaces: [node],
  fields: (t) => ({
    number: t.exposeInt('number', {
      description: 'A small integer for partners whose systems carry numeric ids. Unique within the gateway.',
    }),
    name: t.exposeString('name', { description: 'What people call it.' }),
    description: t.exposeString('description', { nullable: true, description: 'What it is for.' }),
    type: t.field({
      type: destinationType,
      description: 'The kind of place, with the schema of its settings.',
      resolve: ({ type }, _, ctx) => typeOf(ctx, type),
    }),
    account: t.field({
      type: destinationAccount,
      nullable: true,
      description: 'The account it is built on; null for kinds that need none.',
      ...reads('accountId'),
      resolve: ({ accountId }, _, { loaders }) =>
        accountId ? loaders.destinationAccount.load(accountId) : null,
    }),
    fields: t.field({
      type: [destinationField],
      description:
        'What a dataflow to it may or must map: the fields of its type, and those that its account has of its own. Empty where any column may be.',
      ...reads('accountId', 'type'),
      resolve: async ({ accountId, type }, _, { loaders, parts }) => {
        const account = accountId ? await loaders.destinationAccount.load(accountId) : null
        const driver = parts.drivers.find(type)
        return driver ? [...fieldsOf(driver, account)] : []
      },
    }),
    settings: t.expose('settings', {
      type: 'JSON',
      description: "Where exactly, in the words of the type's settingsSchema.",
    }),
    status: t.expose('status', {
      type: destinationStatus,
      description: 'Whether segments are sent there.',
    }),
    dataflows: t.field({
      type: dataflowConnection,
      description: 'The dataflows that lead there, oldest first.',
      args: pageArgs(t.arg),
      ...reads('id'),
      resolve: ({ id }, args, { pages }, info) =>
        pages.dataflowsOfDestination.load(id, { args, only: selectionOf(info) }),
    }),
    segmentMappings: t.field({
      type: segmentMappingConnection,
      description: 'What a partner needs to put names to the ids it receives, oldest first.',
      args: mappingArgs(t.arg),
      extensions: { ...MAPPING_LOOKUP, ...reads('id').extensions },
      resolve: ({ id }, args, { pages, parts }, info) =>
        pages.mappingsOfDestination.load(id, mappingPage(args, parts.guardrails, info)),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When it was last changed.' }),
  }),
})

const filter = builder.inputType('DestinationFilter', {
  description: 'Conditions that must all hold. What is absent or null does not filter.',
  fields: (t) => ({
    ids: t.idList({ description: 'Only those with these ids.' }),
    search: t.string({ description: 'Text in the name, whatever the case, taken literally.' }),
    type: t.stringList({ description: 'Of one of these kinds, e.g. LOCAL_DIRECTORY.' }),
    status: t.field({ type: [destinationStatus], description: 'In one of these states.' }),
  }),
})
const order = orderInput('Destination', 'destinations', ORDER_FIELDS)

objectQuery({ noun: 'destination', type: destination, action: 'mappings:read' })
builder.queryField('destinations', (t) =>
  t.field({
    type: destinationConnection,
    description:
      'The destinations of this sandbox, for a partner only its own; oldest first unless ordered otherwise.',
    args: {
      filter: t.arg({ type: filter, description: 'Only those that match.' }),
      orderBy: t.arg({ type: order, description: 'Another order than oldest first.' }),
      ...pageArgs(t.arg),
    },
    resolve: (_, { filter, orderBy, ...args }, { session, stores, parts }, info) => {
      authorize(session, 'mappings:read')
      const { maxPageSize } = parts.guardrails
      const visible = visibleDestinations(session)
      const { id: sandboxId } = session.sandbox
      const only = selectionOf(info)
      return stores.destination.page({ sandboxId, visible, filter, orderBy, args, maxPageSize, only })
    },
  }),
)
