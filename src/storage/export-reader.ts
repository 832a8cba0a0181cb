import type { ExportQuery, ExportReader, ExportSource } from './capabilities.ts'
import { sqliteExportReader } from './sqlite-export.ts'

/** Opens what an export thread reads from, on a connection of its own. */
export function openExportReader(source: ExportSource, query: ExportQuery): ExportReader {
  return sqliteExportReader(source.url.replace(/^file:/, ''), query)
}
