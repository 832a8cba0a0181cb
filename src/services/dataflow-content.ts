// What a dataflow sends: checked as a whole, because its parts depend on each other and on the destination.
import type { DestinationField, Driver, KnownAccount } from '../destinations/driver.ts'
import { invalid, Refusal, type UserError } from '../domain/errors.ts'
import { checkDeduplicateBy, checkFields, type FieldMappingInput } from '../domain/field-mapping.ts'
import { type FileFormatInput, fileFormat } from '../domain/file-format.ts'
import type { FieldMapping, FileFormat } from '../domain/model.ts'
import type { Guardrails } from '../domain/ports.ts'
import { checkPath, checkTexts, normalizeName } from '../domain/text.ts'
import type { Row } from '../storage/tables.ts'
import { checkPublicKey } from './public-key.ts'

/** What is absent or null stays as it is, or has its default in a new dataflow. */
export interface DataflowContentInput {
  name?: string | null | undefined
  /** Null clears it. */
  description?: string | null | undefined
  fields?: readonly FieldMappingInput[] | null | undefined
  deduplicateBy?: readonly string[] | null | undefined
  /** Null clears it. */
  consentAttribute?: string | null | undefined
  fileFormat?: FileFormatInput | null | undefined
}
export type DataflowContent = Pick<
  Row<'dataflows'>,
  'name' | 'description' | 'fields' | 'deduplicateBy' | 'consentAttribute' | 'fileFormat'
>

export const EMPTY_CONTENT: DataflowContent = {
  name: '',
  description: null,
  fields: [],
  deduplicateBy: [],
  consentAttribute: null,
  fileFormat: null,
}

/** The content after the input, and everything in the input that breaks a rule. */
export async function applyContent(options: {
  current: DataflowContent
  input: DataflowContentInput
  driver: Driver
  /** What the driver takes through the destination's account. */
  known: readonly DestinationField[]
  guardrails: Guardrails
  now: Date
}): Promise<{ content: DataflowContent; errors: UserError[] }> {
  const { current, input, driver } = options
  const errors: UserError[] = []
  const fields = readFields(options, errors)
  const deduplicateBy = [...new Set(input.deduplicateBy ?? current.deduplicateBy)]
  const content: DataflowContent = {
    name: input.name == null ? current.name : normalizeName(input.name),
    description: input.description === undefined ? current.description : input.description,
    fields: fields ?? current.fields,
    deduplicateBy,
    consentAttribute:
      input.consentAttribute === undefined ? current.consentAttribute : input.consentAttribute,
    fileFormat: driver.delivery === 'FILE' ? await readFormat(options, errors) : null,
  }
  errors.push(...checkTexts(input))
  if (input.consentAttribute != null) {
    errors.push(...checkPath(input.consentAttribute, ['input', 'consentAttribute'], 'The consent attribute'))
  }
  if (input.fileFormat != null && driver.delivery !== 'FILE') {
    errors.push(invalid(['input', 'fileFormat'], `A ${driver.type} destination receives no files.`))
  }
  if (fields) {
    errors.push(
      ...checkDeduplicateBy({
        deduplicateBy: input.deduplicateBy ?? deduplicateBy,
        fields,
        path: input.deduplicateBy == null ? null : ['input', 'deduplicateBy'],
        fieldsPath: ['input', 'fields'],
      }),
    )
  }
  return { content, errors }
}

/** The driver of a destination that is about to be used. */
export function requireDriver(driver: Driver | undefined, type: string, path: string[]): Driver {
  if (driver) return driver
  throw new Refusal(invalid(path, `This gateway has no driver for ${type}.`))
}

/** The fields that a mapping may or must name; empty: any column. */
export function fieldsOf(driver: Driver, account: KnownAccount | null): readonly DestinationField[] {
  return (account && driver.fieldsOf?.(account)) ?? driver.fields
}

type Options = Parameters<typeof applyContent>[0]

/** Null where the fields themselves are wrong: what depends on them is not judged. */
function readFields({ current, input, known, guardrails }: Options, errors: UserError[]) {
  if (input.fields == null) return current.fields
  const path = ['input', 'fields']
  const { maxFieldsPerDataflow: max } = guardrails
  const result = checkFields({ fields: input.fields, known, max, path })
  if ('fields' in result) return result.fields satisfies FieldMapping[]
  errors.push(...result.errors)
  return null
}

async function readFormat(
  { current, input, guardrails, now }: Options,
  errors: UserError[],
): Promise<FileFormat | null> {
  if (input.fileFormat == null && current.fileFormat) return current.fileFormat
  const path = ['input', 'fileFormat']
  const result = fileFormat(input.fileFormat ?? null, guardrails, path)
  if ('errors' in result) {
    errors.push(...result.errors)
    return null
  }
  const { format } = result
  if (format.publicKey === undefined) return format
  errors.push(...(await checkPublicKey(format.publicKey, [...path, 'publicKey'], now)))
  return format
}
