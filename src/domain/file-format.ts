import { invalid, type UserError } from './errors.ts'
import type { Compression, FileFormat, FileType } from './model.ts'
import type { Guardrails } from './ports.ts'
import { checkText } from './text.ts'

/** Every field may be absent or null, for its default. */
export interface FileFormatInput {
  type?: FileType | null | undefined
  compression?: Compression | null | undefined
  delimiter?: string | null | undefined
  quote?: string | null | undefined
  escape?: string | null | undefined
  nullValue?: string | null | undefined
  maxRowsPerFile?: number | null | undefined
  manifest?: boolean | null | undefined
  neutralizeFormulas?: boolean | null | undefined
}

const TYPES: readonly FileType[] = ['CSV']
const COMPRESSIONS: readonly Compression[] = ['NONE', 'GZIP']
const DELIMITERS = [',', ';', '\t', '|', ':']
const QUOTES = ['"', "'"]
const MAX_NULL_VALUE = 32

/** The format to store, with defaults filled in, or every rule it breaks. `path` leads to the format. */
export function fileFormat(
  input: FileFormatInput | null,
  guardrails: Pick<Guardrails, 'maxRowsPerFile'>,
  path: string[],
): { format: FileFormat } | { errors: UserError[] } {
  const quote = input?.quote ?? '"'
  const format: FileFormat = {
    type: input?.type ?? 'CSV',
    compression: input?.compression ?? 'NONE',
    delimiter: input?.delimiter ?? ',',
    quote,
    escape: input?.escape ?? quote,
    nullValue: input?.nullValue ?? '',
    maxRowsPerFile: input?.maxRowsPerFile ?? guardrails.maxRowsPerFile,
    manifest: input?.manifest ?? true,
    neutralizeFormulas: input?.neutralizeFormulas ?? true,
  }
  const errors = [
    ...checkKind(format, path),
    ...checkSigns(format, path),
    ...checkNullValue(format, path),
    ...checkRows(format, guardrails, path),
  ]
  return errors.length > 0 ? { errors } : { format }
}

/** What stands after a file's name, without the leading dot, e.g. `csv.gz`. */
export function fileExtension(format: Pick<FileFormat, 'type' | 'compression'>): string {
  const suffix = { NONE: '', GZIP: '.gz', ZSTD: '.zst' }[format.compression]
  return `${format.type.toLowerCase()}${suffix}`
}

function checkKind(format: FileFormat, path: string[]): UserError[] {
  const errors: UserError[] = []
  if (!TYPES.includes(format.type)) {
    errors.push(
      invalid([...path, 'type'], `${format.type} is not available. Available: ${TYPES.join(', ')}.`),
    )
  }
  if (!COMPRESSIONS.includes(format.compression)) {
    const available = COMPRESSIONS.join(', ')
    errors.push(
      invalid([...path, 'compression'], `${format.compression} is not available. Available: ${available}.`),
    )
  }
  return errors
}

function checkSigns(format: FileFormat, path: string[]): UserError[] {
  const errors: UserError[] = []
  if (!DELIMITERS.includes(format.delimiter)) {
    const message = 'The delimiter must be a comma, a semicolon, a tab, a vertical bar or a colon.'
    errors.push(invalid([...path, 'delimiter'], message))
  }
  if (!QUOTES.includes(format.quote)) {
    errors.push(invalid([...path, 'quote'], 'The quote must be " or \'.'))
  }
  if (format.escape !== format.quote && format.escape !== '\\') {
    const message = 'The escape must be the quote itself, which doubles it, or a backslash.'
    errors.push(invalid([...path, 'escape'], message))
  }
  return errors
}

function checkNullValue(format: FileFormat, path: string[]): UserError[] {
  const at = [...path, 'nullValue']
  const value = format.nullValue
  const errors = checkText({ value, path: at, max: MAX_NULL_VALUE, what: 'The null value', allowEmpty: true })
  // The signs themselves may be wrong and empty, and every text includes ''.
  const clashes = [format.delimiter, format.quote].some((sign) => sign !== '' && value.includes(sign))
  if (errors.length > 0 || !clashes) return errors
  return [invalid(at, 'The null value must not contain the delimiter or the quote.')]
}

function checkRows(format: FileFormat, guardrails: Pick<Guardrails, 'maxRowsPerFile'>, path: string[]) {
  const { maxRowsPerFile: rows } = format
  if (Number.isInteger(rows) && rows >= 1 && rows <= guardrails.maxRowsPerFile) return []
  const message = `A file holds between 1 and ${guardrails.maxRowsPerFile} rows.`
  return [invalid([...path, 'maxRowsPerFile'], message)]
}
