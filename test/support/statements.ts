import BetterSqlite from 'better-sqlite3'
import pg from 'pg'

const METHODS = ['all', 'get', 'run'] as const

/** What goes over connections now and then, whatever is asked. */
const OF_THE_CONNECTION = /^(select 1$|listen |set |begin|commit|rollback|select pg_)/i

/** The SQL of every statement that this process runs while it does the work, however the statement was made. */
export async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
  const memory = new BetterSqlite(':memory:')
  const prototype: BetterSqlite.Statement = Object.getPrototypeOf(memory.prepare('select 1'))
  memory.close()
  const seen: string[] = []
  const originals = METHODS.map((name) => [name, prototype[name]] as const)
  for (const [name, original] of originals) {
    prototype[name] = function (this: BetterSqlite.Statement, ...args: unknown[]) {
      seen.push(this.source)
      return original.apply(this, args) as never // whichever of the three it is
    }
  }
  const { query } = pg.Client.prototype
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const [asked] = args as [string | { text?: string }]
    const sql = typeof asked === 'string' ? asked : asked.text
    if (sql && !OF_THE_CONNECTION.test(sql)) seen.push(sql)
    return query.apply(this, args as never) as never // whichever of its overloads it is
  } as typeof query
  try {
    await work()
  } finally {
    pg.Client.prototype.query = query
    for (const [name, original] of originals) prototype[name] = original as never
  }
  return seen
}
