// The side of a copy that is written: an empty PostgreSQL database, or one that holds the beginning of the same copy.
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import {
  type CellKind,
  CopyRefused,
  type CopyRow,
  type CopyTable,
  copyTables,
  keyOf,
  rowName,
} from './copy-shape.ts'
import type { Query } from './database.ts'
import { translated } from './postgres-errors.ts'
import { COPY_PROGRESS, migratePostgres } from './postgres-migrate.ts'
import { ask, clientConfig, hasTable, inTransaction } from './postgres-pool.ts'
import { escaped } from './postgres-profiles.ts'

/** Statistics of a large table are the longest. */
const TIMEOUT_MS = 10 * 60_000
/** Any number that nobody else takes. */
const LOCK = 0x6167_7732
/** The connection of a copy that was killed a moment ago may not have noticed. */
const LOCK_TIMEOUT_MS = 15_000

/** How far the copy of a table is. */
interface Place {
  rows: number
  /** Key of the last row. */
  after: string[] | null
  isWhole: boolean
}

export interface CopyTarget {
  place(table: CopyTable): Place
  /** The next rows, and that they are there: both or neither. @throws CopyRefused naming a row that cannot be held */
  write(table: CopyTable, rows: readonly CopyRow[]): Promise<void>
  /** All rows are there: the database goes on after the last key that was made. */
  complete(table: CopyTable, lastIdentity: number): Promise<void>
  /** Calls `work` with what reads the next rows in the order of keys, at most as many as asked for. */
  reading<T>(table: CopyTable, work: (next: (limit: number) => Promise<CopyRow[]>) => Promise<T>): Promise<T>
  /** Makes it an installation that a gateway may start on. */
  finishing(): Query
  close(): Promise<void>
}

/**
 * Migrates the target.
 * @throws CopyRefused when it has other data
 */
export async function openPostgresCopyTarget(url: string, installation: string): Promise<CopyTarget> {
  const client = new pg.Client(clientConfig(url, TIMEOUT_MS))
  client.on('error', () => {}) // the statement that is under way fails
  try {
    await client.connect()
    await lock(client)
    const places = await standing(client, installation)
    await migratePostgres(url, { isCopying: true })
    if (!places) await begin(client, installation)
    return copyTarget(client, places ?? {})
  } catch (error) {
    await client.end().catch(() => {})
    throw translated(error)
  }
}

function copyTarget(client: pg.Client, places: Record<string, Place>): CopyTarget {
  const placeOf = ({ name }: CopyTable): Place => places[name] ?? { rows: 0, after: null, isWhole: false }
  const moveTo = async (table: CopyTable, place: Place, work: () => Promise<void>) => {
    const next = { ...places, [table.name]: place }
    try {
      await inTransaction(client, async () => {
        await work()
        await client.query(`update ${COPY_PROGRESS} set places = $1`, [JSON.stringify(next)])
      })
    } catch (error) {
      throw translated(error)
    }
    places[table.name] = place
  }
  return {
    place: placeOf,
    write: (table, rows) => {
      const last = rows.at(-1)
      const after = last ? keyOf(table, last) : placeOf(table).after
      const place = { rows: placeOf(table).rows + rows.length, after, isWhole: false }
      return moveTo(table, place, () => copyRows(client, table, rows))
    },
    complete: (table, lastIdentity) =>
      moveTo(table, { ...placeOf(table), isWhole: true }, async () => {
        await client.query(`analyze ${table.name}`)
        if (table.identity === null || lastIdentity === 0) return
        await client.query('select setval(pg_get_serial_sequence($1, $2), $3)', [
          table.name,
          table.identity,
          lastIdentity,
        ])
      }),
    async reading(table, work) {
      try {
        return await inTransaction(client, async () => {
          await client.query(`declare page no scroll cursor for ${readSql(table)}`)
          return work(async (limit) => {
            const { rows } = await ask(client, { sql: `fetch ${limit} from page`, params: [] })
            return rows as (string | null)[][]
          })
        })
      } catch (error) {
        throw translated(error)
      }
    },
    finishing: () => ({ toSQL: () => ({ sql: `drop table ${COPY_PROGRESS}`, params: [] }) }),
    close: () => client.end().catch(() => {}),
  }
}

async function lock(client: pg.Client): Promise<void> {
  try {
    await client.query(`set lock_timeout = ${LOCK_TIMEOUT_MS}`)
    await client.query('select pg_advisory_lock($1)', [LOCK])
    await client.query('set lock_timeout = 0')
  } catch (error) {
    if ((error as { code?: string }).code !== '55P03') throw error
    throw new CopyRefused('Another copy into the target is running. Wait for its end.')
  }
}

/** Where a copy that was ended stands; null where nothing is there yet. */
async function standing(client: pg.Client, installation: string): Promise<Record<string, Place> | null> {
  if (await hasTable(client, COPY_PROGRESS)) {
    const { rows } = await client.query(`select installation, places::text from ${COPY_PROGRESS}`)
    if (rows[0]?.installation === installation) return JSON.parse(rows[0].places)
    throw new CopyRefused(
      'The target holds the beginning of a copy of another installation. Name an empty database.',
    )
  }
  for (const { name } of copyTables) {
    if (!(await hasTable(client, name))) continue
    const { rows } = await client.query(`select from ${name} limit 1`)
    if (rows.length === 0) continue
    throw new CopyRefused(
      `The target has data in ${name}: it is an installation of its own, or a copy that is complete. Name an empty database.`,
    )
  }
  return null
}

/** From here on no gateway starts on it. */
async function begin(client: pg.Client, installation: string): Promise<void> {
  await inTransaction(client, async () => {
    await client.query(`create table ${COPY_PROGRESS} (installation text not null, places jsonb not null)`)
    await client.query(`insert into ${COPY_PROGRESS} values ($1, '{}')`, [installation])
  })
}

async function copyRows(client: pg.Client, table: CopyTable, rows: readonly CopyRow[]): Promise<void> {
  const kinds = table.columns.map(({ kind }) => kind)
  const lines = rows.map((row) => `${row.map((cell, at) => copied(cell, kinds[at])).join('\t')}\n`)
  const names = table.columns.map(({ name }) => `"${name}"`).join(', ')
  try {
    const copy = client.query(copyFrom(`copy ${table.name} (${names}) from stdin`))
    await pipeline(Readable.from([Buffer.from(lines.join(''))]), copy)
  } catch (error) {
    throw unholdable(error, table, rows)
  }
}

function copied(cell: string | null, kind: CellKind | undefined): string {
  if (cell === null) return '\\N'
  return kind === 'timestamp' ? new Date(Number(cell)).toISOString() : escaped(cell)
}

const UNHOLDABLE: Record<string, string> = {
  '22021': 'the character NUL',
  '22P05': 'the character NUL',
  '22P02': 'JSON that is damaged, or half a surrogate pair',
  '22003': 'a number that is too large',
}
/** Of an error of COPY. */
const WHERE = /^COPY \w+, line (\d+)(?:, column (\w+))?/m

/** Names the row; what it holds is not repeated. */
function unholdable(error: unknown, table: CopyTable, rows: readonly CopyRow[]): unknown {
  const { code = '', where = '' } = error as { code?: string; where?: string }
  const [, line, column = 'a column'] = WHERE.exec(where) ?? []
  const row = rows[Number(line) - 1]
  if (!code.startsWith('22') || !row) return error
  const what = UNHOLDABLE[code] ?? `a value of another form (${code})`
  return new CopyRefused(
    `${rowName(table, row)}: ${column} holds ${what}, which PostgreSQL cannot hold. Change it in the source, then call this again.`,
  )
}

function readSql({ name, columns, key }: CopyTable): string {
  const cells = columns.map((column) =>
    column.kind === 'timestamp'
      ? `(extract(epoch from "${column.name}") * 1000)::bigint::text`
      : `"${column.name}"::text`,
  )
  const order = key.map((at) => `"${name}"."${columns[at]?.name}"`).join(', ')
  return `select ${cells.join(', ')} from ${name} order by ${order}`
}
