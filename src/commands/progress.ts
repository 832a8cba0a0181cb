// Progress on stderr: a bar on a terminal, else a line every few seconds.
import { SingleBar } from 'cli-progress'
import { count, note } from './output.ts'

const SECONDS_BETWEEN_LINES = 3

export interface Progress {
  /** @param done in the unit of `total` */
  update(done: number, rows: number): void
  stop(): void
}

/** @param total what counts as all of it, e.g. bytes; null when nobody knows */
export function progress(label: string, total: number | null): Progress {
  return process.stderr.isTTY && total !== null ? bar(label, total) : lines(label, total)
}

function bar(label: string, total: number): Progress {
  const single = new SingleBar({
    format: `${label}  {bar} {percentage} %  {rows} rows  {duration_formatted}`,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 30,
    hideCursor: true,
    stream: process.stderr,
  })
  single.start(Math.max(total, 1), 0, { rows: '0' })
  return {
    update: (done, rows) => single.update(Math.min(done, total), { rows: count(rows) }),
    stop: () => single.stop(),
  }
}

function lines(label: string, total: number | null): Progress {
  let last = Date.now()
  return {
    update(done, rows) {
      if (Date.now() - last < SECONDS_BETWEEN_LINES * 1000) return
      last = Date.now()
      const percent = total ? `${Math.floor((100 * done) / total)} %, ` : ''
      note(`${label}: ${percent}${count(rows)} rows`)
    },
    stop() {},
  }
}
