import type { FileFormat } from '../../domain/model.ts'
import { builder } from '../builder.ts'

const fileType = builder.enumType('FileType', {
  description: 'Formats of files.',
  values: {
    CSV: { description: 'Comma-separated values (RFC 4180) in UTF-8, with a header row.' },
    JSON: { description: 'One JSON object a line.' },
    PARQUET: { description: 'Apache Parquet: columns, with a schema of their own.' },
  },
})
const compression = builder.enumType('Compression', {
  description: 'How files are compressed.',
  values: {
    NONE: { description: 'Files are written as they are.' },
    GZIP: { description: 'gzip; the name ends in .gz.' },
    ZSTD: { description: 'Zstandard; the name ends in .zst.' },
  },
})

const NEUTRALIZE = 'Prefix cells that a spreadsheet would run as a formula with an apostrophe.'

export const fileFormat = builder.objectRef<FileFormat>('FileFormat').implement({
  description: 'How files are written.',
  fields: (t) => ({
    type: t.expose('type', { type: fileType, description: 'The format of the files.' }),
    compression: t.expose('compression', {
      type: compression,
      description: 'How they are compressed.',
    }),
    delimiter: t.exposeString('delimiter', { description: 'What stands between two cells.' }),
    quote: t.exposeString('quote', { description: 'What stands around a cell that needs it.' }),
    escape: t.exposeString('escape', { description: 'What stands before a quote inside a quoted cell.' }),
    nullValue: t.exposeString('nullValue', { description: 'What a missing value is written as.' }),
    maxRowsPerFile: t.exposeInt('maxRowsPerFile', { description: 'Rows before a new file is begun.' }),
    manifest: t.exposeBoolean('manifest', { description: 'Whether a manifest lists the files at the end.' }),
    neutralizeFormulas: t.exposeBoolean('neutralizeFormulas', { description: NEUTRALIZE }),
  }),
})

export const fileFormatInput = builder.inputType('FileFormatInput', {
  description: 'How to write files.',
  fields: (t) => ({
    type: t.field({ type: fileType, defaultValue: 'CSV', description: 'The format of the files.' }),
    compression: t.field({ type: compression, defaultValue: 'NONE', description: 'How to compress them.' }),
    delimiter: t.string({
      defaultValue: ',',
      description: 'What stands between two cells: comma, semicolon, tab, | or :.',
    }),
    quote: t.string({ defaultValue: '"', description: 'What stands around a cell that needs it.' }),
    escape: t.string({ defaultValue: '"', description: 'What stands before a quote inside a quoted cell.' }),
    nullValue: t.string({ defaultValue: '', description: 'What a missing value is written as.' }),
    maxRowsPerFile: t.int({ defaultValue: 5_000_000, description: 'Rows before a new file is begun.' }),
    manifest: t.boolean({
      defaultValue: true,
      description: 'Whether a manifest lists the files at the end.',
    }),
    neutralizeFormulas: t.boolean({ required: true, defaultValue: true, description: NEUTRALIZE }),
  }),
})
