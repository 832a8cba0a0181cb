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

export function runView(options: { json?: boolean }): RunView {
  if (options.json) return jsonView()
  return process.stdout.isTTY ? barView() : lineView()
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

function lineView(): RunView {
  return {
    event: (run, event) => print(`${event.at.slice(11, 23)}  ${run.segment.name}  ${describeEvent(event)}`),
    remark: note,
    stop() {},
  }
}

function barView(): RunView {
  const bars = new MultiBar({
    format: '{name}  {bar} {percentage} %  {rows} rows  {state}',
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
      const payload = { name: run.segment.name, rows: count(received), state: describeState(event) }
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
  const columns = [
    type.padEnd(14),
    phase.padEnd(10),
    `${count(progress.received)}${of}`.padEnd(20),
    percent.padEnd(5),
  ]
  return `${columns.join('  ')}  ${message ?? ''}`.trimEnd()
}

const describeState = ({ type, phase, message }: RunEvent): string =>
  type === 'PROGRESS' ? phase : `${type}${type === 'RETRYING' && message ? `: ${message}` : ''}`
