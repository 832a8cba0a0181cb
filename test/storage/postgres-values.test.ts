// Errors end up in logs: they hold no values of a query, and none of a row.
import { eq, sql } from 'drizzle-orm'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createLogger } from '../../src/logger.ts'
import type { Database } from '../../src/storage/database.ts'
import { newId } from '../../src/storage/ids.ts'
import { openDatabase } from '../../src/storage/open.ts'
import { emptyPostgres, type PostgresDatabase } from '../support/postgres-database.ts'

const VALUE = 'ann@example.org'
let place: PostgresDatabase
let database: Database
beforeEach(async () => {
  place = await emptyPostgres()
  database = openDatabase(place.url)
  await database.migrate()
})
afterEach(async () => {
  await database.close()
  await place.drop()
})

async function loggedOf(work: Promise<unknown>): Promise<string> {
  let text = ''
  const sink = {
    write(line: string) {
      text += line
    },
  }
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(Error)
  createLogger({ logLevel: 'info' }, sink).error({ error }, 'failed')
  return text
}

it('neither of a read that fails, nor of a row that is there already', async () => {
  const { db, tables } = database
  const where = sql`${eq(tables.profiles.key, VALUE)} and 1 / (length(${VALUE}) - ${VALUE.length}::int) = 1`
  const read = await loggedOf(
    Promise.resolve(db.select().from(tables.namespaces).where(sql`no_such(${VALUE})`)),
  )
  expect(read).toContain('no_such')
  expect(read).not.toContain(VALUE)
  await database.batch([db.insert(tables.profiles).values({ namespaceId: 1, key: VALUE, attributes: {} })])
  const divided = await loggedOf(
    Promise.resolve(db.select({ id: tables.profiles.id }).from(tables.profiles).where(where)),
  )
  expect(divided).toContain('division by zero')
  expect(divided).not.toContain(VALUE)
  const sandbox = { id: newId('sandbox'), name: VALUE, title: VALUE, createdAt: new Date() }
  const again = { ...sandbox, id: newId('sandbox') }
  const insert = (row: typeof sandbox) => database.batch([db.insert(tables.sandboxes).values(row)])
  await insert(sandbox)
  const twice = await loggedOf(insert(again))
  expect(twice).toContain('duplicate key')
  expect(twice).not.toContain(VALUE)
})
