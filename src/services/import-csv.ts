// CSV into profiles: once through the file for the columns' types, once more to write.
import { parse } from 'csv-parse/sync'
import { keyProblem, profileKey } from '../domain/profile.ts'
import { type AttributeType, isBlank, KIND, kindOf, typeOf } from '../domain/value-type.ts'
import type { ProfilePatch } from '../storage/capabilities.ts'
import type { CsvLayout } from './import-layout.ts'
import { type RecordBlock, type RejectedRow, rawText, recordBlocks } from './import-records.ts'

export interface PatchBlock {
  patches: ProfilePatch[]
  rejected: RejectedRow[]
}
const RETURN = 0x0d

interface CellBlock {
  rows: { key: string; cells: string[]; line: number }[]
  rejected: RejectedRow[]
}

/** The kinds of values in each column, of the rows that will be kept. */
export async function csvKinds(options: {
  chunks: AsyncIterable<Buffer>
  layout: CsvLayout
}): Promise<number[]> {
  const kinds = options.layout.paths.map(() => KIND.NONE as number)
  for await (const { rows } of cellBlocks(options.chunks, options.layout)) {
    for (const { cells } of rows) {
      for (let column = 0; column < cells.length; column += 1) {
        kinds[column] = (kinds[column] ?? 0) | kindOf(cells[column] ?? '')
      }
    }
  }
  return kinds
}

/** Merge patches in the types of their columns. Blank cells become null, which removes an older value. */
export async function* csvPatches(
  chunks: AsyncIterable<Buffer>,
  layout: CsvLayout,
  kinds: number[],
): AsyncGenerator<PatchBlock> {
  const write = patchWriter(
    layout.paths,
    kinds.map((kind) => typeOf(kind)),
  )
  for await (const { rows, rejected } of cellBlocks(chunks, layout)) {
    const patches: ProfilePatch[] = []
    for (const { key, cells, line } of rows) {
      const patch = write(cells)
      if (patch !== null) patches.push({ key, patch })
      else rejected.push({ line, reason: 'The file was changed while it was read. Import it again.' })
    }
    yield { patches, rejected }
  }
}

async function* cellBlocks(chunks: AsyncIterable<Buffer>, layout: CsvLayout): AsyncGenerator<CellBlock> {
  const { delimiter, ending, paths, keyIndex } = layout
  let isHeader = true
  for await (const block of recordBlocks(chunks, { ending, delimiter })) {
    const { rejected } = block
    const records = split(block, layout)
    const rows: CellBlock['rows'] = []
    for (const [index, cells] of records.entries()) {
      if (isHeader) {
        isHeader = false
        continue
      }
      const line = block.lines[index] ?? 0
      const key = profileKey(cells[keyIndex])
      const reason = problem(cells, key, paths.length)
      if (reason === null && key !== null) rows.push({ key, cells, line })
      else {
        const raw = rawText(block.bytes, block.starts[index] ?? 0, block.ends[index] ?? 0)
        rejected.push({ line, reason: reason ?? '', raw })
      }
    }
    yield { rows, rejected }
  }
}

function problem(cells: string[], key: string | null, columns: number): string | null {
  if (cells.length !== columns) return `The row has ${cells.length} cells, the header ${columns}.`
  if (key === null) return 'The row has no key.'
  const wrong = keyProblem(key)
  return wrong === null ? null : `The row cannot be kept: ${wrong}.`
}

/** One list of cells per record. Without quotes, a record is cut at its delimiters; quotes are for the parser. */
function split(block: RecordBlock, layout: CsvLayout): string[][] {
  const parsed = parseQuoted(block, layout).values()
  return block.starts.map((start, index) => {
    if (block.quoted[index]) return parsed.next().value ?? []
    const end = block.ends[index] ?? start
    const isReturn = layout.ending === '\n' && block.bytes[end - 1] === RETURN
    return block.bytes.toString('utf8', start, isReturn ? end - 1 : end).split(layout.delimiter)
  })
}

/** The records are whole, so the parser cannot lose its way. */
function parseQuoted({ bytes, starts, ends, quoted }: RecordBlock, layout: CsvLayout): string[][] {
  const { delimiter, ending } = layout
  const lineBreak = Buffer.from(ending)
  const records: Buffer[] = []
  for (const [index, start] of starts.entries()) {
    if (quoted[index]) records.push(bytes.subarray(start, ends[index]), lineBreak)
  }
  if (records.length === 0) return []
  const parsed: string[][] = parse(Buffer.concat(records), {
    delimiter,
    record_delimiter: ending === '\r' ? ['\r'] : ['\r\n', '\n'],
    relax_column_count: true,
  })
  if (parsed.length * 2 !== records.length) {
    throw new Error(`${records.length / 2} records were cut, but ${parsed.length} were parsed.`)
  }
  return parsed
}

/** Dotted columns become nested objects; the text around the values is the same for every row. */
function patchWriter(paths: string[], types: (AttributeType | null)[]) {
  const { pieces, columns } = outline(paths)
  const last = pieces.at(-1) ?? ''
  return (cells: string[]): string | null => {
    let patch = ''
    for (let index = 0; index < columns.length; index += 1) {
      const column = columns[index] ?? 0
      const value = encode(cells[column] ?? '', types[column] ?? null)
      if (value === null) return null
      patch += (pieces[index] ?? '') + value
    }
    return patch + last
  }
}

/** JSON text of a cell; null where the cell is not of its column's type. */
function encode(cell: string, type: AttributeType | null): string | null {
  if (isBlank(cell)) return 'null'
  if (type === 'NUMBER') {
    const value = Number(cell)
    return Number.isFinite(value) ? String(value) : null
  }
  if (type === 'BOOLEAN') return kindOf(cell) === KIND.BOOLEAN ? cell.toLowerCase() : null
  return JSON.stringify(cell)
}

type Tree = Map<string, Tree | number>

/** The constant text before each value and after the last, and the columns in that order. */
function outline(paths: string[]): { pieces: string[]; columns: number[] } {
  const root: Tree = new Map()
  for (const [column, path] of paths.entries()) {
    const steps = path.split('.')
    const name = steps.pop() ?? ''
    let tree = root
    for (const step of steps) {
      const child = tree.get(step)
      const next: Tree = child instanceof Map ? child : new Map()
      tree.set(step, next)
      tree = next
    }
    tree.set(name, column)
  }
  const pieces: string[] = []
  const columns: number[] = []
  let text = ''
  const visit = (tree: Tree) => {
    text += '{'
    let separator = ''
    for (const [name, child] of tree) {
      text += `${separator}${JSON.stringify(name)}:`
      separator = ','
      if (child instanceof Map) visit(child)
      else {
        pieces.push(text)
        columns.push(child)
        text = ''
      }
    }
    text += '}'
  }
  visit(root)
  return { pieces: [...pieces, text], columns }
}
