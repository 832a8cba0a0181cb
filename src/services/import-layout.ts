// What the header of a CSV file says: how rows are cut, and which attribute each column becomes.
import { isUtf8 } from 'node:buffer'
import { parse } from 'csv-parse/sync'
import { invalid, Refusal, type UserError } from '../domain/errors.ts'
import { checkSafePath } from '../domain/text.ts'
import { MAX_RECORD } from './import-records.ts'
import type { Source } from './import-source.ts'

export interface CsvLayout {
  delimiter: string
  ending: '\n' | '\r'
  /** Dotted attribute paths, in the order of the columns. */
  paths: string[]
  keyIndex: number
}

const DELIMITERS = [',', ';', '\t']
const MAX_DEPTH = 8
/** Columns and mistakes that a refusal names: a header of a megabyte may have half a million. */
const MAX_TOLD = 50

/** @throws Refusal with everything that is wrong with the header */
export async function readLayout(source: Source, key: string): Promise<CsvLayout> {
  const { header, ending } = await readHeader(source)
  const delimiter = detectDelimiter(header)
  const paths = splitHeader(header, delimiter).map((name) => name.trim())
  const keyIndex = paths.indexOf(key)
  const errors = paths.flatMap(pathErrors)
  errors.push(...conflicts(paths))
  if (keyIndex < 0) errors.unshift(noColumn(key, paths))
  if (errors.length > 0) throw new Refusal(errors.slice(0, MAX_TOLD))
  return { delimiter, ending, paths, keyIndex }
}

async function readHeader(source: Source): Promise<{ header: string; ending: '\n' | '\r' }> {
  let head = Buffer.alloc(0)
  let end = -1
  for await (const chunk of source.read()) {
    head = Buffer.concat([head, chunk])
    end = headerEnd(head)
    // One byte more tells \r\n from \r.
    if ((end >= 0 && end + 1 < head.length) || head.length > MAX_RECORD) break
  }
  if (end < 0 && head.length > MAX_RECORD) {
    refuse(`The header is longer than ${MAX_RECORD} bytes. Is this a CSV file?`)
  }
  const line = head.subarray(0, end < 0 ? head.length : end)
  if (!isUtf8(line) || line.includes(0)) refuse('The header is not valid UTF-8. Save the file as UTF-8.')
  const header = line.toString().replace(/^[\r\n]+/, '')
  if (header.trim() === '') refuse('The file is empty: it needs a header line with the names of the columns.')
  return { header, ending: head[end] === 0x0d && head[end + 1] !== 0x0a ? '\r' : '\n' }
}

/** The first line break outside quotes, after any empty lines. */
function headerEnd(head: Buffer): number {
  let isQuoted = false
  let isStarted = false
  for (const [at, byte] of head.entries()) {
    const isBreak = byte === 0x0a || byte === 0x0d
    if (isBreak && isStarted && !isQuoted) return at
    if (byte === 0x22) isQuoted = !isQuoted
    if (!isBreak) isStarted = true
  }
  return -1
}

/** The most frequent of comma, semicolon and tab outside quotes. */
function detectDelimiter(header: string): string {
  const bare = header.replace(/"[^"]*"/g, '')
  const frequency = (delimiter: string) => bare.split(delimiter).length
  return DELIMITERS.reduce((best, next) => (frequency(next) > frequency(best) ? next : best))
}

function splitHeader(header: string, delimiter: string): string[] {
  try {
    const rows: string[][] = parse(header, { delimiter })
    return rows[0] ?? []
  } catch (error) {
    return refuse(`The header cannot be read: ${error instanceof Error ? error.message : error}.`)
  }
}

function pathErrors(path: string, index: number): UserError[] {
  const column = `Column ${index + 1}`
  if (path === '') return [invalid(['header'], `${column} has no name.`)]
  if (path.split('.').length > MAX_DEPTH)
    return [invalid(['header'], `${column} is nested more than ${MAX_DEPTH} deep.`)]
  return checkSafePath(
    path,
    ['header'],
    `The name of column ${index + 1}, ${JSON.stringify(path.slice(0, 80))},`,
  )
}

function noColumn(key: string, paths: string[]): UserError {
  const names = paths.slice(0, MAX_TOLD).join(', ')
  const rest = paths.length > MAX_TOLD ? `, … (${paths.length} in all)` : ''
  return invalid(['key'], `The file has no column ${JSON.stringify(key)}. Its columns: ${names}${rest}.`)
}

/** Names that come twice, and names that would be a value and an object at once: `a` next to `a.b`. */
function conflicts(paths: string[]): UserError[] {
  const seen = new Set<string>()
  const errors: UserError[] = []
  for (const path of paths) {
    if (path !== '' && seen.has(path)) {
      errors.push(invalid(['header'], `There are two columns ${JSON.stringify(path)}. Rename one.`))
    }
    seen.add(path)
  }
  for (const path of seen) {
    for (let dot = path.indexOf('.'); dot >= 0; dot = path.indexOf('.', dot + 1)) {
      const parent = path.slice(0, dot)
      if (!seen.has(parent)) continue
      const names = `${JSON.stringify(parent)} and ${JSON.stringify(path)}`
      errors.push(
        invalid(['header'], `The columns ${names} exclude each other: a value cannot be an object too.`),
      )
    }
  }
  return errors
}

function refuse(message: string): never {
  throw new Refusal(invalid(['input'], message))
}
