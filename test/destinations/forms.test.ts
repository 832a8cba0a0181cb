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
import { example } from '../support/example/driver.ts'
import { type Form, type FormSchema, filled, formsOf, type TypeForms, typeForms } from '../support/forms.ts'
import { httpStoreDriver } from '../support/http-store.ts'

const outbound = createOutbound({ allow: [] })
const extra = [httpStoreDriver, example({ outbound })]
const drivers = driverRegistry({ exportRoot: '/exports', outbound }, extra).list()
const ajv = new Ajv2020({ strict: true, allErrors: true })
ajvFormats.default(ajv)

let gateway: TestGateway
let types: TypeForms[]
beforeAll(async () => {
  gateway = await testGateway({ drivers: extra })
  types = await typeForms(gateway)
})
afterAll(() => gateway.dispose())

it('destinationTypes has all that is in the registry', () => {
  expect(types.map(({ name }) => name)).toEqual(drivers.map(({ type }) => type))
  expect(new Set(types.map(({ name }) => name)).size).toBe(types.length)
})

describe.each(drivers.map((driver) => [driver.type, driver] as const))('the forms of %s', (_, driver) => {
  const forms = () => formsOf(driver, types)

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
