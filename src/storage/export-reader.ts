import type { ExportQuery, ExportReader, ExportSource } from './capabilities.ts'
import { postgresExportReader } from './postgres-export.ts'
import { sqliteExportReader } from './sqlite-export.ts'

/** Opens what an export thread reads from, on a connection of its own. */
export function openExportReader({ url }: ExportSource, query: ExportQuery): ExportReader {
  if (!url.startsWith('file:')) return postgresExportReader(url, query)
  return sqliteExportReader(url.slice('file:'.length), query)
}
