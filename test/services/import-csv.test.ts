import fs from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Refusal } from '../../src/domain/errors.ts'
import { type ImportOptions, importProfiles } from '../../src/services/import.ts'
import type { RejectedRow } from '../../src/services/import-records.ts'
import type { ImportInput } from '../../src/services/import-source.ts'
import { profileService } from '../../src/services/profile.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { profilesOf } from '../support/profiles.ts'

const DEMO = path.join(import.meta.dirname, '../../src/demo-data')
let test: TestDatabase
beforeEach(async () => {
  test = await testDatabase()
})
afterEach(() => test.dispose())

/** Bytes come in small pieces, so that every record is cut somewhere. */
const pieces = (content: string | Buffer, size = 7): Readable => {
  const bytes = Buffer.from(content)
  const count = Math.ceil(bytes.length / size)
  return Readable.from(Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size)))
}
async function load(input: ImportInput, options: Partial<ImportOptions> = {}) {
  const rejections: RejectedRow[] = []
  const result = await importProfiles({
    database: test.database,
    sandboxId: test.sandboxId,
    key: 'id',
    format: 'csv',
    input,
    onRejected: (row) => rejections.push(row),
    ...options,
  })
  return { ...result, rejections }
}
const csv = (content: string | Buffer, options: Partial<ImportOptions> = {}) => load(pieces(content), options)
const stored = () => profilesOf(test.database)
const types = (columns: { path: string; type: string | null }[]) =>
  Object.fromEntries(columns.map(({ path, type }) => [path, type]))
const attributes = () => profileService(test.ctx).attributes(test.session)
const refusal = async (content: string | Buffer, options: Partial<ImportOptions> = {}) => {
  const error = await csv(content, options).catch((e: unknown) => e)
  expect(error).toBeInstanceOf(Refusal)
  return (error as Refusal).message
}

describe('the demo data', () => {
  it('sakila: 599 rows, typed by column', async () => {
    const result = await load(path.join(DEMO, 'sakila-customers.csv'), { key: 'customer_id' })
    expect(result).toMatchObject({ inserted: 599, updated: 0, rejected: 0, interrupted: false })
    expect(types(result.columns)).toMatchObject({
      customer_id: 'NUMBER',
      email: 'STRING',
      phone: null,
      active: 'BOOLEAN',
      total_spent: 'NUMBER',
      created_on: 'DATE_TIME',
      last_rental_at: 'DATE_TIME',
    })
    const [mary] = await stored()
    expect(mary).toMatchObject({
      key: '1',
      attributes: { customer_id: 1, active: true, total_spent: 118.68 },
    })
    const found = await attributes()
    expect(found.find(({ path }) => path === 'active')).toMatchObject({ type: 'BOOLEAN', profileCount: 599 })
  })

  it('telco: 7,043 rows, and a blank TotalCharges is no value', async () => {
    const result = await load(path.join(DEMO, 'telco-customers.csv'), { key: 'customerID' })
    expect(result).toMatchObject({ inserted: 7043, updated: 0, rejected: 0 })
    const found = await attributes()
    expect(found.find(({ path }) => path === 'TotalCharges')).toMatchObject({
      type: 'NUMBER',
      profileCount: 7032,
    })
    const again = await load(path.join(DEMO, 'telco-customers.csv'), { key: 'customerID' })
    expect(again).toMatchObject({ inserted: 0, updated: 7043 })
  })
})

describe('values', () => {
  it('keep one type per column, and identifiers are text', async () => {
    const result = await csv('id,zip,mixed,flag,day\na,00123,1,True,2023-01-01\nb,456,one,FALSE,\n')
    expect(types(result.columns)).toEqual({
      id: 'STRING',
      zip: 'STRING',
      mixed: 'MIXED',
      flag: 'BOOLEAN',
      day: 'DATE_TIME',
    })
    expect(await stored()).toEqual([
      { key: 'a', attributes: { id: 'a', zip: '00123', mixed: '1', flag: true, day: '2023-01-01' } },
      { key: 'b', attributes: { id: 'b', zip: '456', mixed: 'one', flag: false } },
    ])
  })

  it('report a column as MIXED until a later file agrees', async () => {
    await csv('id,x\na,1\nb,two\n')
    expect((await attributes()).find(({ path }) => path === 'x')?.type).toBe('MIXED')
    await csv('id,x\na,one\nb,two\n')
    expect((await attributes()).find(({ path }) => path === 'x')?.type).toBe('STRING')
  })

  it('are removed by a blank cell and kept where the file has no such column', async () => {
    await csv('id,x,y\na,1,2\n')
    await csv('id,x\na, \n')
    expect(await stored()).toEqual([{ key: 'a', attributes: { id: 'a', y: 2 } }])
  })

  it('nest below dotted headers', async () => {
    await csv('id,home.city,home.zip,work.city\n1,Lund,22100,\n')
    expect(await stored()).toEqual([
      { key: '1', attributes: { id: 1, home: { city: 'Lund', zip: 22100 }, work: {} } },
    ])
  })

  it('come from the later of two rows with one key', async () => {
    const result = await csv('id,x\na,1\nb,2\na,3\n')
    expect(result).toMatchObject({ inserted: 2, updated: 1, rejected: 0 })
    expect((await stored())[0]?.attributes).toEqual({ id: 'a', x: 3 })
  })

  it('come back as they were, whatever text they are', async () => {
    const cell = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => !text.includes('\0'))
    const quote = (text: string) => `"${text.replaceAll('"', '""')}"`
    await fc.assert(
      fc.asyncProperty(
        fc.array(cell, { minLength: 1 }),
        fc.constantFrom(',', ';', '\t'),
        async (cells, sep) => {
          const fresh = await testDatabase()
          try {
            const rows = cells.map((text, index) => ['word', quote(text), `k${index}`].join(sep))
            const file = `${['kind', 'text', 'id'].join(sep)}\n${rows.join('\r\n')}`
            const { database, sandboxId } = fresh
            const options = { database, sandboxId, key: 'id', format: 'csv', input: pieces(file) } as const
            expect(await importProfiles(options)).toMatchObject({ inserted: cells.length, rejected: 0 })
            const texts = (await profilesOf(database)).map(({ attributes }) => String(attributes.text ?? ''))
            const unquoted = (text: string) => (text.trim() === '' ? '' : text)
            expect(texts.map((text) => text.toLowerCase())).toEqual(
              cells.map((text) =>
                /^-?[\d.e+-]+$/i.test(text) ? expect.anything() : unquoted(text).toLowerCase(),
              ),
            )
          } finally {
            await fresh.dispose()
          }
        },
      ),
      { numRuns: 25 },
    )
  })
})

describe('files', () => {
  const content = 'id,näme,x\r\n1,Åsa,"a,b"\r\n2,José 🎈,"c\r\nd"\r\n'
  const expected = [
    { key: '1', attributes: { id: 1, näme: 'Åsa', x: 'a,b' } },
    { key: '2', attributes: { id: 2, näme: 'José 🎈', x: 'c\r\nd' } },
  ]
  const utf16 = (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le')

  it.each([
    ['UTF-8', Buffer.from(content)],
    ['UTF-8 with a byte order mark', Buffer.from(`\ufeff${content}`)],
    ['UTF-16 little-endian', utf16(content)],
    ['UTF-16 big-endian', utf16(content).swap16()],
    ['empty lines', Buffer.from(`\r\n\r\n${content.replace('2,J', '\r\n\r\n2,J')}\r\n`)],
    ['no line break at the end', Buffer.from(content.trimEnd())],
  ])('may come with %s', async (_, bytes) => {
    for (const size of [1, 2, 5, 1000]) expect((await load(pieces(bytes, size))).rejections).toEqual([])
    expect(await stored()).toEqual(expected)
  })

  it.each([
    [',', '\n'],
    [';', '\r\n'],
    ['\t', '\r'],
  ])('may be cut by %j and %j', async (delimiter, ending) => {
    const rows = [
      ['id', 'x', 'y'],
      ['a', '"1"', '"q"'],
      ['b', '2', ''],
    ]
    const result = await csv(rows.map((row) => row.join(delimiter)).join(ending))
    expect(result).toMatchObject({ inserted: 2, rejected: 0 })
    expect((await stored())[0]?.attributes).toEqual({ id: 'a', x: 1, y: 'q' })
  })

  it('may have a header and nothing else', async () => {
    expect(await csv('id,x')).toMatchObject({ inserted: 0, rejected: 0 })
  })

  it('leave no temporary file, whatever happens', async () => {
    await csv('id\n1\n', { spoolDir: test.exportRoot })
    await refusal('nope\n1\n', { spoolDir: test.exportRoot })
    expect(fs.readdirSync(test.exportRoot)).toEqual([])
  })
})

describe('a header is refused', () => {
  it.each([
    ['when the key is no column, naming those that are', 'a,b\n1,2\n', 'Its columns: a, b.'],
    ['with a name twice', 'id,a,a\n1,2,3\n', 'two columns "a"'],
    ['with an empty name', 'id,,b\n1,2,3\n', 'Column 2 has no name'],
    ['with __proto__', 'id,__proto__.x\n1,2\n', '__proto__'],
    ['with constructor', 'id,a.constructor\n1,2\n', 'constructor'],
    ['with prototype', 'id,prototype\n1,2\n', 'prototype'],
    ['with a name that is a value and an object', 'id,a.b,a\n1,2,3\n', '"a" and "a.b" exclude each other'],
    ['with a dot too many', 'id,a..b\n1,2\n', 'column 2'],
    ['with a quote that is not closed', 'id,"a\n1,2\n', 'header'],
    ['with half a character', Buffer.from([0x69, 0x64, 0x2c, 0xff, 0x0a]), 'UTF-8'],
    ['when there is none', '\n\n', 'empty'],
    ['in an empty file', '', 'empty'],
  ])('%s', async (_, content, message) => {
    expect(await refusal(content)).toContain(message)
    expect(await stored()).toEqual([])
  })

  it('with a key that is no path', async () => {
    expect(await refusal('id\n1\n', { key: '__proto__' })).toContain('key')
  })
})

describe('a bad row is rejected with its line, and the rest is kept', () => {
  const bytes = (...parts: (string | number[])[]) =>
    Buffer.concat(parts.map((part) => Buffer.from(part as string)))

  it.each([
    ['too few cells', 'id,x\na,1\nb\nc,3\n', 3, '1 cells', 'ac'],
    ['too many cells', 'id,x\na,1\nb,2,3\nc,3\n', 3, '3 cells', 'ac'],
    ['no key', 'id,x\na,1\n ,2\nc,3\n', 3, 'no key', 'ac'],
    ['a key with a line break', 'id,x\na,1\n"b\nb",2\nc,3\n', 3, 'control', 'ac'],
    ['a key without end', `id,x\na,1\n${'b'.repeat(600)},2\nc,3\n`, 3, '512', 'ac'],
    ['a NUL character', 'id,x\na,1\nb,\0\nc,3\n', 3, 'NUL', 'ac'],
    ['bytes that are no UTF-8', bytes('id,x\na,1\nb,', [0xe9], '\nc,é\n'), 3, 'UTF-8', 'ac'],
    [
      'half a surrogate pair',
      Buffer.from('\ufeffid,x\na,1\nb,\ud83d\nc,3\n', 'utf16le'),
      3,
      'surrogate',
      'ac',
    ],
    ['a stray quote', 'id,x\na,1\nb,5" pipe\nc,3\n', 3, 'quote on line 3', 'ac'],
    ['two stray quotes', 'id,x\na,1\nb,"x"y"\nc,3\n', 3, 'quote on line 3', 'ac'],
    ['a quote that the next row closes', 'id,x\na,1\nb,"x\nc,"3"\nd,4\n', 3, 'quote on line 3', 'acd'],
    ['a quote that nothing closes', 'id,x\na,1\nb,"x\nc,3\nd,4\n', 3, 'opens on line 3', 'acd'],
    ['a quote left open at the end', 'id,x\na,1\nc,3\nb,"x', 4, 'opens on line 4', 'ac'],
    ['a row that is too long', `id,x\na,1\nb,${'x'.repeat(1_100_000)}\nc,3\n`, 3, 'longer', 'ac'],
    ['a quoted row that is too long', `id,x\na,1\nb,"${'x'.repeat(1_100_000)}"\nc,3\n`, 3, '1048576', 'ac'],
  ])('%s', async (_, content, line, reason, kept) => {
    const result = await load(pieces(content, Buffer.byteLength(content) > 1e6 ? 65_536 : 3))
    expect(result.rejections).toMatchObject([{ line, reason: expect.stringContaining(reason) }])
    expect(result).toMatchObject({ inserted: kept.length, rejected: 1 })
    expect((await stored()).map(({ key }) => key).join('')).toBe(kept)
    expect(result.rejections[0]?.raw?.length).toBeLessThanOrEqual(8192)
  })

  it('and does not count for the type of a column', async () => {
    const result = await csv('id,x\na,1\nb,word,extra\n,word\n')
    expect(result.rejected).toBe(2)
    expect(types(result.columns).x).toBe('NUMBER')
  })

  it('and its lines are counted through quoted line breaks', async () => {
    const { rejections } = await csv('id,x\na,"1\n2\n3"\nb\nc,"\n"\nd\n')
    expect(rejections.map(({ line, raw }) => [line, raw])).toEqual([
      [5, 'b'],
      [8, 'd'],
    ])
  })
})

describe('while it runs', () => {
  const many = `id,x\n${Array.from({ length: 10_000 }, (_, index) => `${index},${index % 7}`).join('\n')}\n`

  it('an import tells how far it is, and ends at the whole', async () => {
    const seen: { bytes: number; totalBytes: number | null; rows: number }[] = []
    await load(pieces(many, 4096), { onProgress: (progress) => seen.push(progress) })
    const reading = seen.filter(({ totalBytes }) => totalBytes !== null)
    expect(reading.map(({ bytes }) => bytes)).toEqual(reading.map(({ bytes }) => bytes).sort((a, b) => a - b))
    expect(seen.at(-1)).toEqual({ bytes: many.length, totalBytes: many.length, rows: 10_000 })
  })

  it('an import stops between batches when told to, and what was written stays', async () => {
    const stop = new AbortController()
    const onProgress = ({ rows }: { rows: number }) => {
      if (rows >= 4000) stop.abort()
    }
    const result = await load(pieces(many, 4096), { signal: stop.signal, onProgress })
    expect(result).toMatchObject({ inserted: 4000, interrupted: true })
    expect(await stored()).toHaveLength(4000)
  })

  it('every batch makes what was computed before out of date', async () => {
    const { db, tables } = test.database
    await load(pieces(many, 4096))
    expect((await db.select().from(tables.sandboxes))[0]?.profilesVersion).toBe(5)
  })
})
