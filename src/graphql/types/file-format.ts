import type { FileFormat } from '../../domain/model.ts'
import { builder } from '../builder.ts'

const fileType = builder.enumType('FileType', {
  description: 'Formats of files.',
  values: {
    CSV: { description: 'Comma-separated values (RFC 4180) in UTF-8.' },
    JSON: { description: 'One JSON object a line; a missing value is null.' },
    PARQUET: { description: 'Apache Parquet: columns, with the types of the attributes.' },
  },
})
const compression = builder.enumType('Compression', {
  description: 'How files are compressed.',
  values: {
    NONE: { description: 'Files are written as they are.' },
    GZIP: { description: 'gzip; the name ends in .gz, but for Parquet, whose pages are compressed.' },
    ZSTD: { description: 'Zstandard; the name ends in .zst, but for Parquet, whose pages are compressed.' },
  },
})

const EMPTY_VALUE = 'What an empty text is written as in CSV.'
const HEADER = "Whether CSV begins with a row of the columns' names."
const PUBLIC_KEY =
  'OpenPGP public key in ASCII armor: files are encrypted to it, and their names end in .pgp.'
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
    nullValue: t.exposeString('nullValue', { description: 'What a missing value is written as in CSV.' }),
    emptyValue: t.string({ description: EMPTY_VALUE, resolve: ({ emptyValue }) => emptyValue ?? '' }),
    header: t.boolean({ description: HEADER, resolve: ({ header }) => header ?? true }),
    maxRowsPerFile: t.exposeInt('maxRowsPerFile', { description: 'Rows before a new file is begun.' }),
    manifest: t.exposeBoolean('manifest', { description: 'Whether a manifest lists the files at the end.' }),
    neutralizeFormulas: t.exposeBoolean('neutralizeFormulas', { description: NEUTRALIZE }),
    publicKey: t.string({
      nullable: true,
      description: PUBLIC_KEY,
      resolve: ({ publicKey }) => publicKey ?? null,
    }),
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
    nullValue: t.string({ defaultValue: '', description: 'What a missing value is written as in CSV.' }),
    emptyValue: t.string({ defaultValue: '', description: EMPTY_VALUE }),
    header: t.boolean({ defaultValue: true, description: HEADER }),
    maxRowsPerFile: t.int({ defaultValue: 5_000_000, description: 'Rows before a new file is begun.' }),
    manifest: t.boolean({
      defaultValue: true,
      description: 'Whether a manifest lists the files at the end.',
    }),
    neutralizeFormulas: t.boolean({ required: true, defaultValue: true, description: NEUTRALIZE }),
    publicKey: t.string({ description: PUBLIC_KEY }),
  }),
})
