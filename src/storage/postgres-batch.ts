// All or nothing: the writes of one transaction, sent together and judged in their order.
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { StaleWrite, type Write } from './database.ts'
import { isRace } from './postgres-errors.ts'
import { type Answer, ask, inTransaction, type Statement, withClient } from './postgres-pool.ts'

/** PostgreSQL takes 65,535 parameters a statement. */
const MAX_PARAMS = 60_000
const MAX_RACES = 30
const WAIT_MS = 5

/** @throws StaleWrite when a write misses its expected count; nothing is written then */
export async function postgresBatch(pool: pg.Pool, writes: readonly Write[]): Promise<number[]> {
  if (writes.length === 0) return []
  return inRounds(() =>
    withClient(pool, (client) => {
      const [only] = writes
      if (only && writes.length === 1 && 'toSQL' in only) return runAll(client, writes)
      return inTransaction(client, () => runAll(client, writes))
    }),
  )
}

/** Repeats what loses against other transactions. */
export async function inRounds<T>(work: () => Promise<T>): Promise<T> {
  for (let round = 1; ; round += 1) {
    try {
      return await work()
    } catch (error) {
      if (!isRace(error) || round === MAX_RACES) throw error
      await sleep(Math.random() * WAIT_MS * round)
    }
  }
}

/** Sends the writes; the rows that each touched, or the first failure. */
export async function runAll(client: pg.ClientBase, writes: readonly Write[]): Promise<number[]> {
  const sent = writes.map((write) =>
    Promise.allSettled(statementsOf(write).map((statement) => ask(client, statement))),
  )
  const counts: number[] = []
  for (const [index, answers] of (await Promise.all(sent)).entries()) {
    const count = answers.reduce((sum, answer) => sum + countOf(answer), 0)
    const write = writes[index]
    if (write && 'query' in write && count !== write.expect) throw new StaleWrite(index)
    counts.push(count)
  }
  return counts
}

function countOf(answer: PromiseSettledResult<Answer>): number {
  if (answer.status === 'rejected') throw answer.reason
  return answer.value.count
}

function statementsOf(write: Write): Statement[] {
  if (!('into' in write)) return [('query' in write ? write.query : write).toSQL()]
  const { into, columns, rows } = write
  const rowsAtOnce = Math.floor(MAX_PARAMS / columns.length)
  const statements: Statement[] = []
  for (let from = 0; from < rows.length; from += rowsAtOnce) {
    const some = rows.slice(from, from + rowsAtOnce)
    const places = some.map(
      (_, row) => `(${columns.map((_, at) => `$${row * columns.length + at + 1}`).join(', ')})`,
    )
    const sql = `insert into ${into} (${columns.join(', ')}) values ${places.join(', ')} on conflict do nothing`
    statements.push({ sql, params: some.flat() })
  }
  return statements
}
