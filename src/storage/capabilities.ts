// Shapes that pass through the capabilities of a database.
import type { Column, Placeholder, SQL } from 'drizzle-orm'
import type { SQLiteTable } from 'drizzle-orm/sqlite-core'

/** A row as the driver hands it over: values in the order of the selected columns. */
export type RawRow = unknown[]

export interface ProfilePatch {
  key: string
  /** JSON text of an object; null removes an attribute (RFC 7396 merge patch). */
  patch: string
}

/** One leaf of the attributes: a value or a list, never an object. */
export interface AttributeStatistic {
  /** Dotted. */
  path: string
  /** Bits of domain/value-type.ts. */
  kinds: number
  profileCount: number
  /** At most 5, distinct, from the oldest profiles that have one. */
  examples: unknown[]
}

/** Where an export thread opens its own read connection. */
export interface ExportSource {
  url: string
}

/**
 * What an export reads: the members of a version, or of two versions what an increment sends. That is:
 *
 * - members of `version` that are none of `since`; their status is `realized`
 * - members of `since` that are none of `version`, if there is a column for the status; theirs is `exited`
 * - where duplicates are looked for, members of both that hide behind a duplicate in `since` and not in `version`,
 *   since their row is new to the destination: `realized`
 *
 * With `refusedIn` it is what the destination refused in that run, whoever of them is a member of `version`
 * (`realized`) or else of `since` (`exited`, if there is a column for the status).
 *
 * Duplicates in an increment: a key has one row. It is that of the first member of `version` who may leave, in the
 * order of ids, or else of the first member of `since`. All others with the key that are read are duplicates: nobody
 * is told to have left while another with the same key stays. With `refusedIn`, only those that are read count.
 */
export interface ExportQuery {
  /** The pinned membership version. */
  version: number
  /** Of an increment: the version it is compared with; null: all members of `version` are read. */
  since: number | null
  /** Only the members that the destination refused in this run; null: all. */
  refusedIn: string | null
  /** One column each: a dotted attribute path; null: the text `realized` or `exited`. */
  paths: (string | null)[]
  /**
   * Whether a number or a boolean may come as a string of it, which may be had sooner: for a format that writes both
   * alike. The value of `consent` comes as it is.
   */
  asText: boolean
  /** Paths that together identify duplicates; empty for none. */
  deduplicateBy: string[]
  /** Paths without which a profile is left out, and so never hides a duplicate. */
  required: string[]
  /** Path that must be true, or null. */
  consent: string | null
  /**
   * Only members up to this id that were not rejected in this run: what the run sent there, none of which is marked as
   * a duplicate; null: all.
   */
  sent: { upToProfileId: number; inRun: string } | null
}

/**
 * A page of the export: one line per profile, `<profile id>[d]<JSON array of the paths' values>\n`, in the order of
 * profile ids, UTF-8. `d` marks a duplicate of an earlier profile.
 */
export interface ExportPage {
  lines: Uint8Array
  rows: number
  lastProfileId: number
}

/** Lives in an export thread, on its own read connection. */
export interface ExportReader {
  /** Finds the duplicates; done once, before the first page. */
  prepare(): Promise<void>
  /** The next page after a profile id, or null at the end. */
  page(afterProfileId: number, limit: number): Promise<ExportPage | null>
  close(): Promise<void>
}

/** Rows of another table that are read along, by the column that holds their id. */
export interface JoinedColumns {
  table: SQLiteTable & { id: Column }
  by: Column
  columns: readonly Column[]
}

/** For each parent the first `limit` rows of a table that belong to it, in an order. */
export interface FirstOfEach {
  table: SQLiteTable
  columns: readonly Column[]
  joined: readonly JoinedColumns[]
  /** The column that names the parent. */
  parent: Column
  /** `where` alone leads to few rows. */
  isFewRows: boolean
  /** The ids of the parents, as JSON. */
  parents: Placeholder
  where: SQL
  /** The last of its columns is unique within a parent. */
  sorting: { columns: readonly Column[]; direction: 'ASC' | 'DESC' }
  limit: Placeholder
}
