import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Compression } from '../../src/domain/model.ts'
import { parseInstant } from '../../src/domain/rule-instant.ts'
import { parquetEncoder } from '../../src/engine/parquet-encoder.ts'
import type { EncodedColumn, EncodedRejection } from '../../src/engine/row-encoder.ts'
import { csvFormat } from '../support/export-scene.ts'
import { parquetTable } from '../support/parquet.ts'

const columns: EncodedColumn[] = [
  { target: 'email', required: true, type: 'STRING' },
  { target: 'total', required: false, type: 'NUMBER' },
  { target: 'is new', required: false, type: 'BOOLEAN' },
  { target: 'seen.last', required: false, type: 'DATE_TIME' },
]
const encoderOf = (compression: Compression = 'NONE', hasConsent = false) =>
  parquetEncoder({ columns, hasConsent, format: { ...csvFormat, type: 'PARQUET', compression } })
type Encoder = ReturnType<typeof encoderOf>
const line = (id: number | string, values: unknown[]) => `${id}${JSON.stringify(values)}\n`
const linesOf = (rows: unknown[][]) => Buffer.from(rows.map((row, index) => line(index + 1, row)).join(''))

/** One file of the lines, given to the encoder in pages of at most `atOnce` rows. */
function fileOf(encoder: Encoder, lines: Buffer, atOnce = Number.POSITIVE_INFINITY) {
  const pieces = [Buffer.from(encoder.header)]
  const rejected: EncodedRejection[] = []
  for (let offset = 0; offset < lines.length; ) {
    const page = encoder.encode(lines, offset, atOnce)
    pieces.push(Buffer.from(page.bytes))
    rejected.push(...page.rejected)
    offset = page.consumed
  }
  pieces.push(Buffer.from(encoder.end()))
  return { file: Buffer.concat(pieces), rejected }
}

describe('Parquet', () => {
  it('has typed columns that may be null, and instants in UTC', () => {
    const rows = [
      ['é🎉', 1.5, true, '2024-05-01'],
      ['b', null, null, null],
      ['', null, false, '2024-05-01T12:00:00.25+02:00'],
    ]
    const { file, rejected } = fileOf(encoderOf(), linesOf(rows))
    expect(parquetTable(file)).toEqual({
      columns: columns.map(({ target, type }) => ({ name: target, type, nullable: true })),
      rows: [
        { email: 'é🎉', total: 1.5, 'is new': true, 'seen.last': Date.UTC(2024, 4, 1) },
        { email: 'b', total: null, 'is new': null, 'seen.last': null },
      ],
    })
    expect(rejected).toEqual([{ profileId: 3, reason: 'MISSING_REQUIRED_FIELD', detail: 'email' }])
  })

  it('refuses a value that does not fit its column, and writes what is not text as text into one of text', () => {
    const rows = [
      [7, 1, true, '2024-05-01'],
      [true, 1, true, '2024-05-01'],
      ['c', '1', true, null],
      ['d', 1, 'true', null],
      ['e', 1, true, '2024-02-30'],
      ['f', 1, true, 5],
      [['g'], 1, true, null],
    ]
    const { file, rejected } = fileOf(encoderOf(), linesOf(rows))
    expect(parquetTable(file).rows.map(({ email }) => email)).toEqual(['7', 'true'])
    expect(rejected.map(({ profileId, reason, detail }) => [profileId, reason, detail])).toEqual([
      [3, 'INVALID_VALUE', 'total holds no number'],
      [4, 'INVALID_VALUE', 'is new holds neither true nor false'],
      [5, 'INVALID_VALUE', 'seen.last holds no date'],
      [6, 'INVALID_VALUE', 'seen.last holds no date'],
      [7, 'INVALID_VALUE', 'email holds a list or an object'],
    ])
  })

  it('leaves out duplicates and whom did not consent', () => {
    const row = ['a', null, null, null]
    const text = line(1, [...row, true]) + line('2d', [...row, true]) + line('3d', [...row, null])
    const { file, rejected } = fileOf(encoderOf('NONE', true), Buffer.from(text))
    expect(parquetTable(file).rows).toHaveLength(1)
    expect(rejected.map(({ profileId, reason }) => [profileId, reason])).toEqual([
      [2, 'DUPLICATE'],
      [3, 'NO_CONSENT'],
    ])
  })

  it('is a whole file without a row, too', () => {
    const { columns: read, rows } = parquetTable(fileOf(encoderOf(), Buffer.alloc(0)).file)
    expect([read.length, rows.length]).toEqual([4, 0])
  })

  it('begins another file after the end of one', () => {
    const encoder = encoderOf()
    const row = ['a', 1, true, null]
    const [first, second] = [fileOf(encoder, linesOf([row])), fileOf(encoder, linesOf([row]))]
    expect(second.file.equals(first.file)).toBe(true)
  })

  it('is written in row groups, so that memory does not grow with the file', () => {
    const rows = Array.from({ length: 120_000 }, (_, n) => [`p${n}@example.com`, n, n % 2 === 0, null])
    const encoder = encoderOf('ZSTD')
    const lines = linesOf(rows)
    const first = encoder.encode(lines, 0, 60_000)
    expect(first.bytes.length).toBeGreaterThan(0)
    const { file } = fileOf(encoderOf('ZSTD'), lines, 2_000)
    const read = parquetTable(file).rows
    expect(read).toHaveLength(120_000)
    expect(read.every((row, n) => row.total === n && row.email === `p${n}@example.com`)).toBe(true)
  })

  it('is read back by another implementation as what it was written from', () => {
    const instant = fc
      .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
      .map((date) => date.toISOString())
    const row = fc.tuple(
      fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
      fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
      fc.option(fc.boolean()),
      fc.option(instant),
    )
    fc.assert(
      fc.property(
        fc.array(row, { maxLength: 30 }),
        fc.constantFrom<Compression>('NONE', 'GZIP', 'ZSTD'),
        fc.integer({ min: 1, max: 30 }),
        (rows, compression, atOnce) => {
          const { file } = fileOf(encoderOf(compression), linesOf(rows), atOnce)
          const again = fileOf(encoderOf(compression), linesOf(rows))
          expect(file.equals(again.file)).toBe(true)
          const read = parquetTable(file).rows.map((values) => columns.map(({ target }) => values[target]))
          expect(read).toEqual(
            rows.map(([email, total, isNew, seen]) => [
              email,
              total === null ? null : total + 0, // JSON has no -0
              isNew,
              seen === null ? null : parseInstant(seen),
            ]),
          )
        },
      ),
      { numRuns: 200 },
    )
  })
})
