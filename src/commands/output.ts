// What commands print: results on stdout, everything else on stderr.
import { styleText } from 'node:util'

/** A line of the result. */
export function print(line = ''): void {
  process.stdout.write(`${line}\n`)
}
/** A line about what happens, beside the result. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`)
}
export function printJson(value: unknown): void {
  print(JSON.stringify(value))
}

/** Coloured on a terminal that shows colours, plain elsewhere. */
export function paint(style: Parameters<typeof styleText>[0], text: string): string {
  return styleText(style, text, { stream: process.stdout })
}

/** How this program is called here, for hints that can be pasted. */
export function programCall(command: string): string {
  const isCheckout = import.meta.filename.endsWith('.ts')
  return isCheckout ? `npm run gateway -- ${command}` : `activation-gateway ${command}`
}

/** 1234567 → `1,234,567`. */
export const count = (value: number): string => value.toLocaleString('en-US')

/** 12345 → `12.1 KB`. */
export function size(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(1)} ${units[power]}`
}

/** Lines with the columns aligned: numbers to the right, text to the left. */
export function columns(rows: (string | number)[][]): string[] {
  const widths: number[] = []
  const texts = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? count(cell) : cell)))
  for (const row of texts) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length)
  }
  return texts.map((row, line) =>
    row
      .map((cell, at) =>
        typeof rows[line]?.[at] === 'number' ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
}

/** A reader that leaves early, such as `head`, ends the command without an error. */
export function endQuietlyOnClosedPipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  }
}
