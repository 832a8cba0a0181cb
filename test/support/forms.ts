// The forms that a frontend draws from `destinationTypes`, and how somebody fills them in.
import type { Driver } from '../../src/destinations/driver.ts'
import type { TestGateway } from './api.ts'

export interface FormSchema {
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
export type Form = Record<string, unknown>

export interface TypeForms {
  name: string
  accountSchema: FormSchema
  settingsSchema: FormSchema
}

export async function typeForms(gateway: TestGateway): Promise<TypeForms[]> {
  const answer = await gateway.data('{ destinationTypes { name accountSchema settingsSchema } }')
  return answer.destinationTypes
}

const NOTHING: FormSchema = { type: 'object', properties: {} }

/** Each form as it is shown, beside what the driver takes. */
export function formsOf(driver: Driver, types: readonly TypeForms[]) {
  const found = types.find(({ name }) => name === driver.type)
  if (!found) throw new Error(`${driver.type} is not told of`)
  const { settings = NOTHING, secrets = NOTHING } = found.accountSchema.properties ?? {}
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

/** What somebody fills in who follows the examples: what must be there, with each of the rest alone, and all of it. */
export function filled(schema: FormSchema): Form[] {
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
