import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type Framing, type RejectedRow, recordBlocks } from '../../src/services/import-records.ts'

async function* pieces(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
async function cut(text: string, size: number, framing: Framing) {
  const records: { line: number; text: string }[] = []
  const rejected: RejectedRow[] = []
  for await (const block of recordBlocks(pieces(Buffer.from(text), size), framing)) {
    const { bytes, starts, ends, lines } = block
    for (const [index, start] of starts.entries()) {
      records.push({ line: lines[index] ?? 0, text: bytes.toString('utf8', start, ends[index]) })
    }
    rejected.push(...block.rejected)
  }
  return { records, rejected: rejected.map(({ line, reason }) => ({ line, reason })) }
}
const hostile = fc
  .array(fc.constantFrom('a', 'é', ',', ',', '"', '"', '""', '\n', '\n', '\r\n', '\r'), { maxLength: 40 })
  .map((parts) => parts.join(''))
const framings: Framing[] = [
  { ending: '\n', delimiter: ',' },
  { ending: '\r', delimiter: ',' },
]

it('cuts the same records wherever the pieces of a file end', async () => {
  await fc.assert(
    fc.asyncProperty(
      hostile,
      fc.integer({ min: 1, max: 9 }),
      fc.constantFrom(...framings),
      async (text, size, framing) => {
        expect(await cut(text, size, framing)).toEqual(await cut(text, 1000, framing))
      },
    ),
    { numRuns: 2000 },
  )
})

it('hands over only what the parser reads as one record', async () => {
  await fc.assert(
    fc.asyncProperty(hostile, fc.constantFrom(...framings), async (text, framing) => {
      const { records } = await cut(text, 5, framing)
      const record_delimiter = framing.ending === '\r' ? ['\r'] : ['\r\n', '\n']
      for (const record of records) {
        expect(
          parse(record.text + framing.ending, { record_delimiter, relax_column_count: true }),
        ).toHaveLength(1)
      }
    }),
    { numRuns: 2000 },
  )
})

it('loses no line: each is in a record, rejected, or empty', async () => {
  const line = fc.constantFrom('a,b', '"a",b', '', 'a"b', '"a"b')
  await fc.assert(
    fc.asyncProperty(fc.array(line), async (lines) => {
      const { records, rejected } = await cut(lines.join('\n'), 4, { ending: '\n', delimiter: ',' })
      const seen = [...records, ...rejected].map((row) => row.line).sort((a, b) => a - b)
      expect(seen).toEqual(lines.flatMap((text, index) => (text === '' ? [] : [index + 1])))
    }),
    { numRuns: 500 },
  )
})
