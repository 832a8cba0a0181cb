// A page of the database as profiles with values: for destinations that take requests, not files.
import type { EncodedColumn, EncodedRejection } from './row-encoder.ts'

export interface ReadProfile {
  profileId: number
  values: (string | number | boolean | null)[]
}
/** In the order of profile ids. */
export type ProfileRow = ReadProfile | EncodedRejection

/** The rows of lines as `ExportPage` describes them, judged as an encoder of files judges them. */
export function profileRows(
  lines: Uint8Array,
  options: { columns: readonly EncodedColumn[]; hasConsent: boolean },
): ProfileRow[] {
  const text = Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength).toString('utf8')
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => profileRow(line, options))
}

function profileRow(
  line: string,
  { columns, hasConsent }: { columns: readonly EncodedColumn[]; hasConsent: boolean },
): ProfileRow {
  const start = line.indexOf('[')
  const isDuplicate = line[start - 1] === 'd'
  const profileId = Number(line.slice(0, isDuplicate ? start - 1 : start))
  const refuse = (reason: EncodedRejection['reason'], detail: string | null = null) => ({
    profileId,
    reason,
    detail,
  })
  const all: unknown[] = JSON.parse(line.slice(start), exactly)
  if (hasConsent && all[columns.length] !== true) return refuse('NO_CONSENT')
  if (isDuplicate) return refuse('DUPLICATE')
  const values: ReadProfile['values'] = []
  for (const [index, { target, required }] of columns.entries()) {
    const value = all[index] ?? null
    if (!isScalar(value)) return refuse('INVALID_VALUE', `${target} holds a list or an object`)
    if (required && (value === null || value === '')) return refuse('MISSING_REQUIRED_FIELD', target)
    values.push(value)
  }
  return { profileId, values }
}

function isScalar(value: unknown): value is ReadProfile['values'][number] {
  return typeof value !== 'object' || value === null
}

/** A whole number that JavaScript would round stays what it is, as a text. */
function exactly(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || !Number.isInteger(value)) return value
  return context?.source ?? value
}
