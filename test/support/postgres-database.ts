// A PostgreSQL database for one test, copied from one that is made once in a run: that takes 20 ms.
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'

export interface PostgresDatabase {
  url: string
  /** Ends its connections and drops it. */
  drop(): Promise<void>
}

/** An empty one. */
export async function emptyPostgres(): Promise<PostgresDatabase> {
  return create('')
}

/**
 * A copy of the one that `make` makes.
 * @param name of what is copied
 * @param make called once in a run, with the address of an empty database; must leave no connection open
 */
export async function copiedPostgres(
  name: string,
  make: (url: string) => Promise<void>,
): Promise<PostgresDatabase> {
  const template = `${inject('postgresPrefix')}${name}`
  await withAdmin(async (admin, url) => {
    const isThere = async () =>
      (await admin.query('select 1 from pg_database where datname = $1', [template])).rows.length > 0
    if (await isThere()) return
    await admin.query('select pg_advisory_lock(hashtext($1))', [template]) // till the connection ends
    if (await isThere()) return
    // Under its name only when it is whole.
    const raw = `${template}_raw`
    await admin.query(`create database ${raw}`)
    await make(databaseUrl(url, raw))
    await admin.query(`alter database ${raw} rename to ${template}`)
  })
  return create(`template ${template} strategy file_copy`)
}

async function create(how: string): Promise<PostgresDatabase> {
  const name = `${inject('postgresPrefix')}${randomBytes(6).toString('hex')}`
  return withAdmin(async (admin, url) => {
    await admin.query(`create database ${name} ${how}`)
    return {
      url: databaseUrl(url, name),
      drop: () => withAdmin(async (again) => void (await again.query(`drop database ${name} with (force)`))),
    }
  })
}

async function withAdmin<T>(work: (admin: pg.Client, url: string) => Promise<T>): Promise<T> {
  const answer = await fetch(inject('postgresOfRun'))
  const url = await answer.text()
  if (!answer.ok) throw new Error(url)
  const admin = new pg.Client(url)
  await admin.connect()
  try {
    return await work(admin, url)
  } finally {
    await admin.end()
  }
}

/** Another database of the same server. */
function databaseUrl(url: string, name: string): string {
  const other = new URL(url)
  other.pathname = `/${name}`
  return other.href
}
