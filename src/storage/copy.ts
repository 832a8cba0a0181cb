// Copies everything from one database into another, page by page in the order of keys, then compares them row by row.
import { createHash } from 'node:crypto'
import { lineOf } from './copy-line.ts'
import { CopyRefused, type CopyRow, type CopyTable, copyTables, keyOf, rowName } from './copy-shape.ts'
import type { CopySource, CopyTarget } from './open.ts'

export interface CopiedTable {
  table: string
  rows: number
  /** SHA-256 of its rows in the order of their keys, as both databases hold them. */
  checksum: string
}

export interface CopyOptions {
  source: CopySource
  target: CopyTarget
  /** Between pages: what is copied stays. */
  signal: AbortSignal
  /** @param rows how many of `total` are done, those of a copy before included */
  onRows: (phase: 'copying' | 'comparing', rows: number, total: number) => void
}

/**
 * Goes on where the target stands.
 * @throws CopyRefused naming a row that the target cannot hold
 * @throws CopyRefused naming the first row that differs in the end
 */
export async function copyAll(options: CopyOptions): Promise<CopiedTable[]> {
  const { source, target, signal, onRows } = options
  const total = copyTables.reduce((sum, table) => sum + source.count(table), 0)
  let done = copyTables.reduce((sum, table) => sum + target.place(table).rows, 0)
  onRows('copying', done, total)
  for (const table of copyTables) {
    if (target.place(table).isWhole) continue
    for (;;) {
      signal.throwIfAborted()
      const rows = source.page(table, target.place(table).after)
      if (rows.length === 0) break
      await target.write(table, rows)
      done += rows.length
      onRows('copying', done, total)
    }
    await target.complete(table, source.lastIdentity(table))
  }
  const copied: CopiedTable[] = []
  let compared = 0
  const onCompared = (rows: number) => {
    compared += rows
    onRows('comparing', compared, total)
  }
  for (const table of copyTables) copied.push(await compare(table, { ...options, onCompared }))
  return copied
}

async function compare(
  table: CopyTable,
  options: Pick<CopyOptions, 'source' | 'target' | 'signal'> & { onCompared: (rows: number) => void },
): Promise<CopiedTable> {
  const { source, target, signal, onCompared } = options
  const checksum = createHash('sha256')
  let rows = 0
  await target.reading(table, async (next) => {
    let here = source.page(table, null)
    for (;;) {
      signal.throwIfAborted()
      // The target works on its rows while those here are read and written down. After the last there is none.
      const [there, lines, following] = await Promise.all([
        next(Math.max(here.length, 1)),
        here.map((row) => lineOf(table, row)),
        here.length > 0 ? source.page(table, keyOf(table, here.at(-1) as CopyRow)) : [],
      ])
      const theirs = there.map((row) => lineOf(table, row))
      const first = lines.findIndex((line, at) => line !== theirs[at])
      if (first >= 0 || theirs.length > lines.length) {
        const at = first < 0 ? lines.length : first
        throw new CopyRefused(difference(table, here[at], there[at]))
      }
      if (here.length === 0) return
      for (const line of lines) checksum.update(`${line}\n`)
      rows += here.length
      onCompared(here.length)
      here = following
    }
  })
  return { table: table.name, rows, checksum: checksum.digest('hex') }
}

/** In the order of keys, the first that is not the same in both. */
function difference(table: CopyTable, here: CopyRow | undefined, there: CopyRow | undefined): string {
  const advice =
    'The source or the target was changed since the copy began. Empty the target, then copy again.'
  const order = here && there ? compareKeys(table, here, there) : here ? -1 : 1
  if (order === 0) return `${rowName(table, here as CopyRow)} differs. ${advice}`
  const [row, which] = order < 0 ? [here, 'target'] : [there, 'source']
  return `${rowName(table, row as CopyRow)} is missing in the ${which}. ${advice}`
}

function compareKeys(table: CopyTable, a: CopyRow, b: CopyRow): number {
  for (const at of table.key) {
    const [left, right] = [a[at] ?? '', b[at] ?? '']
    const isText = table.columns[at]?.kind === 'text'
    const order = isText
      ? Buffer.compare(Buffer.from(left), Buffer.from(right))
      : Number(left) - Number(right)
    if (order !== 0) return order
  }
  return 0
}
