import { z } from 'zod'
import type { DestinationField, Driver, DriverAccount } from '../../destinations/driver.ts'
import { authorize } from '../../domain/access.ts'
import { builder } from '../builder.ts'
import type { ApiContext } from '../context.ts'
import { type DestinationTypeShape, destinationType } from '../refs.ts'

const delivery = builder.enumType('Delivery', {
  description: 'How a destination takes profiles.',
  values: {
    FILE: { description: 'As files that appear whole or not at all.' },
    API: { description: 'As calls of its own interface, profile by profile or in small lots.' },
  },
})

export const destinationField = builder.objectRef<DestinationField>('DestinationField').implement({
  description: 'A field of a destination that a mapping may or must name.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'What FieldMapping.target says.' }),
    title: t.exposeString('title', { description: 'What people call it.' }),
    required: t.exposeBoolean('required', { description: 'Whether every dataflow must map it.' }),
    description: t.string({
      nullable: true,
      description: 'What belongs into it.',
      resolve: ({ description }) => description,
    }),
  }),
})

destinationType.implement({
  description:
    'A kind of place that a segment can be sent to: LOCAL_DIRECTORY, S3, SFTP, AZURE_BLOB, GCS, ACTIVECAMPAIGN, WEBHOOK.',
  fields: (t) => ({
    name: t.string({
      description: 'Its name in the API, e.g. LOCAL_DIRECTORY.',
      resolve: ({ type }) => type,
    }),
    title: t.string({
      description: 'What people call it.',
      resolve: (shape) => driverOf(shape)?.title ?? shape.type,
    }),
    delivery: t.field({
      type: delivery,
      description: 'How it takes profiles.',
      resolve: (shape) => driverOf(shape)?.delivery ?? 'FILE',
    }),
    accountSchema: t.field({
      type: 'JSON',
      description:
        'JSON Schema of an account: its `settings` and its `secrets`, which are marked writeOnly; allows nothing where no account is needed.',
      resolve: (shape) => accountSchema(driverOf(shape)?.account),
    }),
    settingsSchema: t.field({
      type: 'JSON',
      description: 'JSON Schema of the settings of a destination.',
      resolve: (shape) => jsonSchema(driverOf(shape)?.settings),
    }),
    fields: t.field({
      type: [destinationField],
      description: 'The fields it knows; empty where a file may have any column.',
      resolve: (shape) => driverOf(shape)?.fields ?? [],
    }),
  }),
})

/** The kind of a stored destination or account. */
export function typeOf(ctx: ApiContext, type: string): DestinationTypeShape {
  return ctx.parts.drivers.find(type) ?? { type }
}

function driverOf(shape: DestinationTypeShape): Driver | null {
  return 'delivery' in shape ? shape : null
}

const NOTHING = { type: 'object', additionalProperties: false }

function jsonSchema(schema: z.ZodType | undefined, { writeOnly = false } = {}): unknown {
  if (!schema) return NOTHING
  return z.toJSONSchema(schema, {
    io: 'input',
    override({ zodSchema, jsonSchema }) {
      // What is normalised loses its examples, which zod takes for examples of the outcome.
      const { examples } = z.globalRegistry.get(zodSchema) ?? {}
      if (Array.isArray(examples)) jsonSchema.examples = examples
      if (writeOnly) jsonSchema.writeOnly = true
    },
  })
}

function accountSchema(account: DriverAccount | null | undefined): unknown {
  if (!account) return NOTHING
  return {
    ...NOTHING,
    properties: {
      settings: jsonSchema(account.settings),
      secrets: jsonSchema(account.secrets, { writeOnly: true }),
    },
    required: ['settings', 'secrets'],
  }
}

builder.queryField('destinationTypes', (t) =>
  t.field({
    type: [destinationType],
    description:
      'What can be connected: one entry per driver, with JSON Schemas of its account settings, destination settings and mappable fields.',
    resolve: (_, __, ctx) => {
      authorize(ctx.session, 'metadata:read')
      return ctx.parts.drivers.list()
    },
  }),
)
