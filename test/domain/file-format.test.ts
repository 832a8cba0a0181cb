import { describe, expect, it } from 'vitest'
import {
  columnTypeOf,
  type FileFormatInput,
  fileExtension,
  fileFormat,
  hasSchema,
} from '../../src/domain/file-format.ts'
import { csvFormat } from '../support/export-scene.ts'

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
      emptyValue: '',
      header: true,
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

  it('keeps what was chosen', () => {
    const chosen = {
      type: 'PARQUET',
      compression: 'ZSTD',
      nullValue: 'null',
      emptyValue: '""',
      header: false,
      publicKey: 'armor',
    } as const
    expect(fileFormat({ ...chosen, publicKey: ' armor\n' }, guardrails, path)).toMatchObject({
      format: chosen,
    })
  })

  it.each<[FileFormatInput, string]>([
    [{ delimiter: '' }, 'delimiter'],
    [{ delimiter: ',,' }, 'delimiter'],
    [{ delimiter: '\u0000' }, 'delimiter'],
    [{ quote: '', escape: '\\' }, 'quote'],
    [{ escape: "'" }, 'escape'],
    [{ nullValue: 'a,b' }, 'nullValue'],
    [{ nullValue: '"' }, 'nullValue'],
    [{ nullValue: '"""' }, 'nullValue'],
    [{ emptyValue: 'a,b' }, 'emptyValue'],
    [{ emptyValue: '"' }, 'emptyValue'],
    [{ publicKey: 'x'.repeat(65_537) }, 'publicKey'],
    [{ publicKey: 'a\u0000b' }, 'publicKey'],
    [{ publicKey: '\ud800' }, 'publicKey'],
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
    for (const mark of ['null', '""', '']) expect(errorsOf({ nullValue: mark, emptyValue: mark })).toEqual([])
    expect(errorsOf({ quote: "'", nullValue: "''" })).toEqual([])
  })

  it.each([
    [{}, 'csv'],
    [{ compression: 'GZIP' }, 'csv.gz'],
    [{ compression: 'ZSTD' }, 'csv.zst'],
    [{ type: 'JSON', compression: 'ZSTD' }, 'json.zst'],
    [{ type: 'PARQUET' }, 'parquet'],
    [{ type: 'PARQUET', compression: 'ZSTD' }, 'parquet'],
    [{ publicKey: 'armor' }, 'csv.pgp'],
    [{ type: 'JSON', compression: 'GZIP', publicKey: 'armor' }, 'json.gz.pgp'],
    [{ type: 'PARQUET', compression: 'GZIP', publicKey: 'armor' }, 'parquet.pgp'],
  ] as const)('of %j has files that end in .%s', (changes, extension) => {
    expect(fileExtension({ ...csvFormat, ...changes })).toBe(extension)
  })

  it('has columns with types in Parquet alone: text where values disagree or there are none', () => {
    expect([csvFormat, { ...csvFormat, type: 'PARQUET' as const }, null].map(hasSchema)).toEqual([
      false,
      true,
      false,
    ])
    expect(
      (['STRING', 'NUMBER', 'BOOLEAN', 'DATE_TIME', 'MIXED', undefined] as const).map(columnTypeOf),
    ).toEqual(['STRING', 'NUMBER', 'BOOLEAN', 'DATE_TIME', 'STRING', 'STRING'])
  })
})
