// Numbers and booleans come from PostgreSQL as strings where a format writes both alike: the file is the same, to the byte.
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EncodedRejection } from '../../src/engine/row-encoder.ts'
import { rowEncoder } from '../../src/engine/row-encoders.ts'
import type { ExportQuery } from '../../src/storage/capabilities.ts'
import type { Database } from '../../src/storage/database.ts'
import { openExportReader } from '../../src/storage/export-reader.ts'
import { openPostgres } from '../../src/storage/postgres.ts'
import { addSandbox } from '../support/database.ts'
import { csvFormat } from '../support/export-scene.ts'
import { emptyPostgres, type PostgresDatabase } from '../support/postgres-database.ts'
import { addProfiles } from '../support/segments.ts'

let place: PostgresDatabase
let test: { database: Database; sandboxId: string }
beforeAll(async () => {
  place = await emptyPostgres()
  const database = openPostgres(place.url)
  await database.migrate()
  test = { database, sandboxId: (await addSandbox(database, 'prod')).id }
})
afterAll(async () => {
  await test.database.close()
  await place.drop()
})

/** What COPY, JSON or CSV writes otherwise, and what begins a formula. */
const PARTS = [
  'a',
  'N',
  'é',
  '😀',
  '"',
  "'",
  ',',
  '\\',
  '\t',
  '\n',
  '\r',
  '\b',
  '\f',
  '\x7f',
  '=',
  '-1',
  '',
  'true',
]
const text = (parts: string[]) =>
  fc.array(fc.constantFrom(...parts), { maxLength: 5 }).map((some) => some.join(''))
const number = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }))
const scalar = fc.oneof({ arbitrary: text(PARTS), weight: 3 }, number, fc.boolean(), fc.constant(null))
const withControls = fc.oneof({ arbitrary: scalar, weight: 9 }, text(['a', '\v', '\x01', '\x1f']))
/** Among them are texts that look like lists and objects, and both. */
const anything = fc.oneof(
  { arbitrary: scalar, weight: 20 },
  text([...PARTS, '[', '{', ']', '}']),
  fc.array(scalar, { maxLength: 2 }),
  fc.dictionary(fc.constantFrom('x', 'y'), scalar),
)
const peopleWith = (value: fc.Arbitrary<unknown>) =>
  fc.record(
    {
      a: value,
      'b\'" c': value,
      d: fc.record({ e: value, "f -> 'g": value }, { requiredKeys: [] }),
      agrees: fc.constantFrom(true, true, true, true, false, 'true', null, 1),
    },
    { requiredKeys: [] },
  )

const QUERY: Omit<ExportQuery, 'version' | 'asText'> = {
  since: null,
  refusedIn: null,
  paths: ['a', null, 'b\'" c', 'd.e', "d.f -> 'g"],
  deduplicateBy: [],
  required: ['a'],
  consent: null,
  sent: null,
}

/** The file of all pages, and who is not in it. */
async function fileOf(query: ExportQuery) {
  const { paths, required, consent } = query
  const columns = paths.map((path, index) => ({
    target: `${index}`,
    required: required.includes(path ?? ''),
  }))
  const format = { ...csvFormat, neutralizeFormulas: true }
  const encoder = rowEncoder({ columns, hasConsent: consent !== null, format })
  const reader = openExportReader(test.database.exportSource(), query)
  const rejected: EncodedRejection[] = []
  let file = ''
  try {
    await reader.prepare()
    for (let last = 0; ; ) {
      const page = await reader.page(last, 7)
      if (page === null) return { file, rejected }
      const encoded = encoder.encode(page.lines, 0, 100)
      expect(page).toMatchObject({
        rows: encoded.rows + encoded.rejected.length,
        lastProfileId: encoded.lastProfileId,
      })
      file += Buffer.from(encoded.bytes).toString()
      rejected.push(...encoded.rejected)
      last = page.lastProfileId
    }
  } finally {
    await reader.close()
  }
}

describe.each([
  ['scalars', scalar],
  ['control characters', withControls],
  ['anything', anything],
])('of %s', (_, value) => {
  it.each([
    ['all members', {}],
    ['those who agree', { consent: 'agrees' }],
    ['each once', { deduplicateBy: ['a'] }],
    ['an increment', { since: 0, consent: 'agrees' }],
    ['an increment of each once', { since: 0, deduplicateBy: ['d.e'] }],
  ])('a file of %s is the same from texts', async (_, more) => {
    const people = fc.sample(peopleWith(value), { numRuns: 900, seed: 6 })
    const { before, now } = await membersAmong(people)
    const query = { ...QUERY, ...more, version: now, ...('since' in more && { since: before }) }
    const typed = await fileOf({ ...query, asText: false })
    expect(await fileOf({ ...query, asText: true })).toEqual(typed)
    expect(typed.file.split('\r\n').length).toBeGreaterThan(20)
    expect(typed.rejected.length).toBeGreaterThan(20)
  })
})

let version = 0
/** Versions of those whose number is even, and of those whose is no multiple of three. */
async function membersAmong(people: Record<string, unknown>[]) {
  await addProfiles(test, people)
  const { profiles } = test.database.tables
  const ids = await test.database.db.select({ id: profiles.id }).from(profiles).orderBy(profiles.id)
  const before = ++version
  const now = ++version
  const rows = ids.flatMap(({ id }, index) => [
    ...(index % 2 === 0 ? [[before, id]] : []),
    ...(index % 3 !== 0 ? [[now, id]] : []),
  ])
  await test.database.batch([{ into: 'members', columns: ['version', 'profile_id'], rows }])
  return { before, now }
}
