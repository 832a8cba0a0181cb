import { invalid, type UserError } from './errors.ts'
import type { ColumnType, Compression, FileFormat, FileType } from './model.ts'
import type { Guardrails } from './ports.ts'
import { checkText } from './text.ts'
import type { AttributeType } from './value-type.ts'

/** Every field may be absent or null, for its default. */
export interface FileFormatInput {
  type?: FileType | null | undefined
  compression?: Compression | null | undefined
  delimiter?: string | null | undefined
  quote?: string | null | undefined
  escape?: string | null | undefined
  nullValue?: string | null | undefined
  emptyValue?: string | null | undefined
  header?: boolean | null | undefined
  maxRowsPerFile?: number | null | undefined
  manifest?: boolean | null | undefined
  neutralizeFormulas?: boolean | null | undefined
  publicKey?: string | null | undefined
}

const DELIMITERS = [',', ';', '\t', '|', ':']
const QUOTES = ['"', "'"]
const MAX_MARK = 32
const MAX_PUBLIC_KEY = 65_536

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
    emptyValue: input?.emptyValue ?? '',
    header: input?.header ?? true,
    maxRowsPerFile: input?.maxRowsPerFile ?? guardrails.maxRowsPerFile,
    manifest: input?.manifest ?? true,
    neutralizeFormulas: input?.neutralizeFormulas ?? true,
    ...(input?.publicKey != null && { publicKey: input.publicKey.trim() }),
  }
  const errors = [
    ...checkSigns(format, path),
    ...checkMark(format, 'nullValue', path),
    ...checkMark(format, 'emptyValue', path),
    ...checkRows(format, guardrails, path),
    ...checkPublicKey(format, path),
  ]
  return errors.length > 0 ? { errors } : { format }
}

/** What stands after a file's name, without the leading dot, e.g. `csv.gz.pgp`. */
export function fileExtension({ type, compression, publicKey }: FileFormat): string {
  const packed = { NONE: '', GZIP: '.gz', ZSTD: '.zst' }[isPackedInside(type) ? 'NONE' : compression]
  return `${type.toLowerCase()}${packed}${publicKey === undefined ? '' : '.pgp'}`
}

/** Whether files of the type hold compressed pages, and so are not compressed as a whole. */
export const isPackedInside = (type: FileType): boolean => type === 'PARQUET'

/** Whether files say what types their columns have. */
export const hasSchema = (format: FileFormat | null): boolean => format?.type === 'PARQUET'

/** The type of a column of these values; where they disagree, and where there were none, it holds their text. */
export const columnTypeOf = (type: AttributeType | undefined): ColumnType =>
  type === undefined || type === 'MIXED' ? 'STRING' : type

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

/** A mark stands for what has no text of its own. Two quotes are one: CSV's way to write an empty text. */
function checkMark(format: FileFormat, name: 'nullValue' | 'emptyValue', path: string[]): UserError[] {
  const at = [...path, name]
  const what = name === 'nullValue' ? 'The null value' : 'The empty value'
  const value = format[name] ?? ''
  if (value === format.quote + format.quote) return []
  const errors = checkText({ value, path: at, max: MAX_MARK, what, allowEmpty: true })
  // The signs themselves may be wrong and empty, and every text includes ''.
  const clashes = [format.delimiter, format.quote].some((sign) => sign !== '' && value.includes(sign))
  if (errors.length > 0 || !clashes) return errors
  return [invalid(at, `${what} must not contain the delimiter or the quote, unless it is two quotes.`)]
}

/** What can be told without reading the key. */
function checkPublicKey({ publicKey = '' }: FileFormat, path: string[]): UserError[] {
  // Lines of text, which every database can hold.
  if (!publicKey.isWellFormed() || /[^\P{Cc}\t\r\n]/u.test(publicKey)) {
    return [invalid([...path, 'publicKey'], 'The public key is no OpenPGP key in ASCII armor.')]
  }
  if (publicKey.length <= MAX_PUBLIC_KEY) return []
  const message = `The public key has at most ${MAX_PUBLIC_KEY} characters. Export it without the signatures of others.`
  return [invalid([...path, 'publicKey'], message)]
}

function checkRows(format: FileFormat, guardrails: Pick<Guardrails, 'maxRowsPerFile'>, path: string[]) {
  const { maxRowsPerFile: rows } = format
  if (Number.isInteger(rows) && rows >= 1 && rows <= guardrails.maxRowsPerFile) return []
  const message = `A file holds between 1 and ${guardrails.maxRowsPerFile} rows.`
  return [invalid([...path, 'maxRowsPerFile'], message)]
}
