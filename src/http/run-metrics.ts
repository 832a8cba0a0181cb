// What /metrics says of the runs of a sandbox. All of it comes from the database: every process says the same, and a
// restart changes nothing.
import { Counter, Gauge, Registry } from 'prom-client'
import type { RunStatistics } from '../services/run.ts'
import { DURATIONS, type RunTotal } from '../storage/run-totals.ts'
import { histogramText } from './histogram.ts'

export async function runMetrics(
  sandbox: string,
  { counts, totals, oldestQueuedMs }: RunStatistics,
): Promise<string> {
  const registry = new Registry()
  const registers = [registry]
  const labelNames = ['sandbox', 'status'] as const
  const runs = new Gauge({
    name: 'gateway_runs',
    help: 'Runs in the sandbox by status.',
    labelNames,
    registers,
  })
  for (const [status, count] of counts) runs.set({ sandbox, status }, count)
  const age = new Gauge({
    name: 'gateway_queue_oldest_seconds',
    help: 'How long the oldest run of the sandbox that nobody has taken up has waited; 0 when none does.',
    labelNames: ['sandbox'] as const,
    registers,
  })
  age.set({ sandbox }, oldestQueuedMs / 1_000)
  const total = (name: string, help: string, of: (row: RunTotal) => number) => {
    const counter = new Counter({ name, help: `${help} Goes on over restarts.`, labelNames, registers })
    for (const row of totals) counter.inc({ sandbox, status: row.status }, of(row))
  }
  total('gateway_runs_ended_total', 'Runs that have ended, by how.', (row) => row.runs)
  total('gateway_exported_rows_total', 'Profiles delivered by runs that have ended.', (row) => row.rows)
  total('gateway_exported_bytes_total', 'Bytes delivered by runs that have ended.', (row) => row.bytes)
  const statuses = [...new Set(totals.map(({ status }) => status))]
  const durations = histogramText({
    name: 'gateway_run_duration_seconds',
    help: 'From the first start of a run to its end, by how it ended. Goes on over restarts.',
    bounds: DURATIONS,
    series: statuses.map((status) => {
      const rows = totals.filter((row) => row.status === status)
      return {
        labels: { sandbox, status },
        counts: [...DURATIONS, Infinity].map((_, index) =>
          rows.reduce((sum, { bucket, runs: count }) => sum + (bucket === index ? count : 0), 0),
        ),
        sum: rows.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / 1_000,
      }
    }),
  })
  return `${await registry.metrics()}\n${durations}`
}
