import { describe, expect, it } from 'vitest'
import { type FileFormatInput, fileExtension, fileFormat } from '../../src/domain/file-format.ts'

const path = ['input', 'fileFormat']
const guardrails = { maxRowsPerFile: 5_000_000 }
const errorsOf = (input: FileFormatInput) => {
  const result = fileFormat(input, guardrails, path)
  return 'errors' in result ? result.errors.map((error) => [error.path.at(-1), error.message]) : []
}

describe('fileFormat', () => {
  it('has a default for everything', () => {
    const format = {
      type: 'CSV',
      compression: 'NONE',
      delimiter: ',',
      quote: '"',
      escape: '"',
      nullValue: '',
      maxRowsPerFile: 5_000_000,
      manifest: true,
      neutralizeFormulas: true,
    }
    expect(fileFormat(null, guardrails, path)).toEqual({ format })
    expect(fileFormat({ delimiter: null, escape: null }, guardrails, path)).toEqual({ format })
  })

  it('escapes the chosen quote by doubling it', () => {
    expect(fileFormat({ quote: "'" }, guardrails, path)).toMatchObject({ format: { escape: "'" } })
  })

  it('says what is available', () => {
    expect(errorsOf({ type: 'PARQUET', compression: 'ZSTD' })).toEqual([
      ['type', 'PARQUET is not available. Available: CSV.'],
      ['compression', 'ZSTD is not available. Available: NONE, GZIP.'],
    ])
    expect(errorsOf({ type: 'JSON' })).toHaveLength(1)
  })

  it.each<[FileFormatInput, string]>([
    [{ delimiter: '' }, 'delimiter'],
    [{ delimiter: ',,' }, 'delimiter'],
    [{ delimiter: '\u0000' }, 'delimiter'],
    [{ quote: '', escape: '\\' }, 'quote'],
    [{ escape: "'" }, 'escape'],
    [{ nullValue: 'a,b' }, 'nullValue'],
    [{ nullValue: '"' }, 'nullValue'],
    [{ nullValue: 'a\nb' }, 'nullValue'],
    [{ nullValue: '\ud800' }, 'nullValue'],
    [{ nullValue: 'x'.repeat(33) }, 'nullValue'],
    [{ maxRowsPerFile: 0 }, 'maxRowsPerFile'],
    [{ maxRowsPerFile: -1 }, 'maxRowsPerFile'],
    [{ maxRowsPerFile: 1.5 }, 'maxRowsPerFile'],
    [{ maxRowsPerFile: 5_000_001 }, 'maxRowsPerFile'],
  ])('refuses %j', (input, field) => {
    expect(errorsOf(input).map(([name]) => name)).toEqual([field])
  })

  it('takes every documented sign', () => {
    for (const delimiter of [',', ';', '\t', '|', ':']) expect(errorsOf({ delimiter })).toEqual([])
    expect(errorsOf({ escape: '\\', quote: "'", nullValue: 'NULL', maxRowsPerFile: 1 })).toEqual([])
  })

  it('gives the extension of its files', () => {
    expect(fileExtension({ type: 'CSV', compression: 'NONE' })).toBe('csv')
    expect(fileExtension({ type: 'CSV', compression: 'GZIP' })).toBe('csv.gz')
  })
})
