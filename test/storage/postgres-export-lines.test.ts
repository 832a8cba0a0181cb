// What a real COPY writes of every character, read back.
import { buffer } from 'node:stream/consumers'
import pg from 'pg'
import { to as copyTo } from 'pg-copy-streams'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { linesOfCopy } from '../../src/storage/postgres-export-lines.ts'
import { emptyPostgres } from '../support/postgres-database.ts'

let client: pg.Client
let drop: () => Promise<void>
beforeAll(async () => {
  const place = await emptyPostgres()
  drop = place.drop
  client = new pg.Client(place.url)
  await client.connect()
})
afterAll(async () => {
  await client.end()
  await drop()
})

const CHARACTERS = Array.from({ length: 0x2ff }, (_, index) => String.fromCodePoint(index + 1))
/** JSON writes them otherwise than COPY does. */
const UNTOLD = CHARACTERS.slice(0, 0x1f).filter((character) => !'\b\f\n\r\t'.includes(character))

async function copied(columns: (character: string) => string): Promise<Buffer[]> {
  const pages: Buffer[] = []
  for (const character of CHARACTERS) {
    const select = `select 7, ${columns(pg.escapeLiteral(`a${character}b`))}`
    pages.push(await buffer(client.query(copyTo(`copy (${select}) to stdout`))))
  }
  return pages
}
const valuesOf = (page: ReturnType<typeof linesOfCopy>): unknown =>
  page && JSON.parse(Buffer.from(page.lines).toString().slice(1))

it('a text becomes a string of it, or is not told', async () => {
  const pages = await copied((text) => `${text}::text, null::text, ''::text`)
  const values = pages.map((page) => valuesOf(linesOfCopy(page, 3)))
  expect(values).toEqual(
    CHARACTERS.map((character) => (UNTOLD.includes(character) ? null : [`a${character}b`, null, ''])),
  )
})

it('JSON stays what it is', async () => {
  const pages = await copied(
    (text) => `to_jsonb(${text}::text), null::jsonb, jsonb_build_array(1, ${text}::text)`,
  )
  const values = pages.map((page) => valuesOf(linesOfCopy(page, 0)))
  expect(values).toEqual(CHARACTERS.map((character) => [`a${character}b`, null, [1, `a${character}b`]]))
})

it.each(['{', '[', '{"a": 1}'])('%s as a text may be more than that', (text) => {
  expect(linesOfCopy(Buffer.from(`1\tx\n2\t${text}\n`), 1)).toBeNull()
  expect(valuesOf(linesOfCopy(Buffer.from(`1\tx${text}\n`), 1))).toEqual([`x${text}`])
})

it('counts rows and tells the last id, marked or not', () => {
  const page = linesOfCopy(Buffer.from('41\ta\n123d\t\\N\n'), 1)
  expect(page).toMatchObject({ rows: 2, lastProfileId: 123 })
  expect(Buffer.from(page?.lines ?? []).toString()).toBe('41["a"]\n123d[null]\n')
  expect(linesOfCopy(Buffer.alloc(0), 1)).toMatchObject({ rows: 0 })
})
