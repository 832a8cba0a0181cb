// Three ways to show runs as they go: bars on a terminal, a line per event elsewhere, or JSON.
import { MultiBar, type SingleBar } from 'cli-progress'
import { count, note, paint, print, printJson, size } from './output.ts'
import type { Run, RunEvent } from './run-api.ts'

export interface RunView {
  event(run: Run, event: RunEvent): void
  /** Something about the connection, not about the run. */
  remark(text: string): void
  stop(): void
}

export function runView(runs: Run[], options: { json?: boolean }): RunView {
  if (options.json) return jsonView()
  const width = Math.max(...runs.map(({ segment }) => segment.name.length))
  return process.stdout.isTTY ? barView(width) : lineView(width)
}

/** The end of a run: counters, files with sizes, and the error if there was one. */
export function printRunResult(run: Run): void {
  const { exported, excluded, failed } = run.progress
  const counters = `${count(exported)} exported, ${count(excluded)} excluded, ${count(failed)} failed`
  print(`${paint(run.status === 'SUCCESS' ? 'green' : 'red', run.status)}  ${run.segment.name}: ${counters}`)
  for (const file of run.files) print(`  ${file.location}  ${count(file.rows)} rows  ${size(file.bytes)}`)
  if (run.error) print(`  ${run.error.code}: ${run.error.message}`)
}

function jsonView(): RunView {
  return {
    event: (run, event) => printJson({ runId: run.id, ...event }),
    remark: note,
    stop() {},
  }
}

function lineView(width: number): RunView {
  const shown = new Map<string, string>()
  return {
    event(run, event) {
      const text = describeEvent(event)
      if (shown.get(run.id) === text) return // only bytes have changed
      shown.set(run.id, text)
      print(`  ${event.at.slice(11, 23)}  ${run.segment.name.padEnd(width)}  ${text}`)
    },
    remark: note,
    stop() {},
  }
}

function barView(width: number): RunView {
  const bars = new MultiBar({
    format: '  {name}  {bar} {percentage} %  {rows} rows  {state}',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 30,
    hideCursor: true,
    stream: process.stdout,
  })
  const byRun = new Map<string, SingleBar>()
  return {
    event(run, event) {
      const { total, received } = event.progress
      const payload = {
        name: run.segment.name.padEnd(width),
        rows: count(received),
        state: describeState(event),
      }
      const bar = byRun.get(run.id) ?? bars.create(total ?? 1, 0, payload)
      byRun.set(run.id, bar)
      bar.setTotal(Math.max(total ?? 1, 1))
      // A finished run without any profile is complete, too.
      bar.update(event.status === 'SUCCESS' ? Math.max(total ?? 1, 1) : received, payload)
    },
    remark: (text) => bars.log(`${text}\n`),
    stop: () => bars.stop(),
  }
}

function describeEvent({ type, progress, message, phase }: RunEvent): string {
  const of = progress.total === null ? '' : ` of ${count(progress.total)}`
  const percent = progress.percent === null ? '' : `${Math.floor(progress.percent)} %`
  const place = `${phase.padEnd(10)}  ${`${count(progress.received)}${of}`.padEnd(14)}  ${percent.padStart(5)}`
  return `${type.padEnd(14)}  ${place}  ${message ?? ''}`.trimEnd()
}

const describeState = ({ type, phase, message }: RunEvent): string =>
  type === 'PROGRESS' ? phase : `${type}${type === 'RETRYING' && message ? `: ${message}` : ''}`
