// A frontend draws the forms of every kind of destination from `destinationTypes` alone: what it needs is there, and what
// fits the form is what the driver takes. Holds for whatever is in the registry.
import { Ajv2020 } from 'ajv/dist/2020.js'
import ajvFormats from 'ajv-formats'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createOutbound } from '../../src/destinations/outbound.ts'
import { driverRegistry } from '../../src/destinations/registry.ts'
import { createLogger } from '../../src/logger.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { httpStoreDriver } from '../support/http-store.ts'

interface FormSchema {
  type: string
  title?: string
  description?: string
  default?: unknown
  examples?: unknown[]
  enum?: unknown[]
  properties: Record<string, FormSchema>
  required?: string[]
  additionalProperties?: boolean
  writeOnly?: boolean
}
type Form = Record<string, unknown>

const drivers = driverRegistry({ exportRoot: '/exports', outbound: createOutbound({ allow: [] }) }, [
  httpStoreDriver,
]).list()
const ajv = new Ajv2020({ strict: true, allErrors: true })
ajvFormats.default(ajv)
const nothing: FormSchema = { type: 'object', properties: {} }

let gateway: TestGateway
let types: { name: string; accountSchema: FormSchema; settingsSchema: FormSchema }[]
beforeAll(async () => {
  gateway = await testGateway({ drivers: [httpStoreDriver] })
  const answer = await gateway.data('{ destinationTypes { name accountSchema settingsSchema } }')
  types = answer.destinationTypes
})
afterAll(() => gateway.dispose())

it('destinationTypes has all that is in the registry', () => {
  expect(types.map(({ name }) => name)).toEqual(drivers.map(({ type }) => type))
  expect(new Set(types.map(({ name }) => name)).size).toBe(types.length)
})

describe.each(drivers.map((driver) => [driver.type, driver] as const))('the forms of %s', (type, driver) => {
  /** Each form as it is shown, beside what the driver takes. */
  const forms = () => {
    const found = types.find(({ name }) => name === type)
    if (!found) throw new Error(`${type} is not told of`)
    const { settings = nothing, secrets = nothing } = found.accountSchema.properties ?? {}
    return [
      { name: 'settings', schema: found.settingsSchema, takes: driver.settings },
      ...(driver.account
        ? [
            { name: 'account settings', schema: settings, takes: driver.account.settings },
            { name: 'account secrets', schema: secrets, takes: driver.account.secrets },
          ]
        : []),
    ]
  }

  it('can be drawn: each field has a title and a description, and nothing else may be sent', () => {
    for (const { name, schema } of forms()) {
      expect(schema, name).toMatchObject({ type: 'object', additionalProperties: false })
      for (const [field, { title, description }] of Object.entries(schema.properties)) {
        expect(title, `the title of ${name} ${field}`).toMatch(/^\p{Lu}.*[^.]$/u)
        expect(description, `the description of ${name} ${field}`).toMatch(/^.{10,}[^.]\.$/su)
      }
    }
  })

  it('tell what is secret, and no more', () => {
    for (const { name, schema } of forms()) {
      const isSecret = name === 'account secrets'
      for (const field of Object.values(schema.properties)) expect(Boolean(field.writeOnly)).toBe(isSecret)
    }
  })

  it('can be filled in after their own examples, and are then taken', () => {
    for (const { name, schema, takes } of forms()) {
      const isValid = ajv.compile(schema)
      const taken = filled(schema).filter((form) => takes.safeParse(form).success)
      expect(
        taken.length,
        `no example of ${name} is taken: ${JSON.stringify(filled(schema))}`,
      ).toBeGreaterThan(0)
      for (const form of taken) expect(isValid(form), `${JSON.stringify(form)} as ${name}`).toBe(true)
    }
  })

  it('let through what the driver takes, and are refused at a field that they have', () => {
    for (const { schema, takes } of forms()) {
      const isValid = ajv.compile(schema)
      fc.assert(
        fc.property(anyFilling(schema), (form) => {
          const { success, error } = takes.safeParse(form)
          if (success) expect(isValid(form), JSON.stringify(form)).toBe(true)
          for (const { path, code } of error?.issues ?? []) {
            if (code !== 'unrecognized_keys') expect(Object.keys(schema.properties)).toContain(path[0])
          }
        }),
        { numRuns: 300 },
      )
    }
  })

  it('have nothing secret that would be shown in a log', () => {
    const lines: string[] = []
    const log = createLogger({ logLevel: 'info' }, { write: (line) => lines.push(line) })
    const secrets = forms().find(({ name }) => name === 'account secrets')?.schema.properties ?? {}
    for (const name of Object.keys(secrets)) log.info({ [name]: 'canary', login: { [name]: 'canary' } }, name)
    for (const line of lines) expect(line).not.toContain('canary')
  })
})

/** What somebody fills in who follows the examples: what must be there, with each of the rest alone, and all of it. */
function filled(schema: FormSchema): Form[] {
  const value = ({ examples, default: preset, enum: choices }: FormSchema) =>
    examples?.[0] ?? preset ?? choices?.[0]
  const all = Object.entries(schema.properties).flatMap(([field, one]) =>
    value(one) === undefined ? [] : [[field, value(one)] as const],
  )
  const isRequired = ([field]: readonly [string, unknown]) => schema.required?.includes(field) ?? false
  const required = all.filter(isRequired)
  const rest = all.filter((entry) => !isRequired(entry))
  const forms = [required, ...rest.map((one) => [...required, one]), all]
  return forms.map((entries) => Object.fromEntries(entries))
}

/** A form that is filled in after the examples, but for one field, which is anything or missing, or unknown. */
function anyFilling(schema: FormSchema): fc.Arbitrary<Form> {
  const fields = [...Object.keys(schema.properties), 'unknown']
  const anything = fc.oneof(
    fc.jsonValue(),
    fc.string({ unit: 'binary' }),
    fc.integer(),
    fc.constant(undefined),
  )
  return fc
    .tuple(fc.constantFrom(...filled(schema)), fc.constantFrom(...fields), anything)
    .map(([form, field, value]) => {
      const { [field]: _, ...rest } = form
      return value === undefined ? rest : { ...rest, [field]: value }
    })
}
