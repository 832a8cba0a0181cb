import BetterSqlite from 'better-sqlite3'

const METHODS = ['all', 'get', 'run'] as const

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
  try {
    await work()
  } finally {
    for (const [name, original] of originals) prototype[name] = original as never
  }
  return seen
}
