import type { SQL } from 'drizzle-orm'

/** How a dialect speaks of one attribute of `profiles.attributes`. Paths are dotted; every value is bound, never spliced. */
export interface JsonDialect {
  /** 'string' | 'number' | 'boolean' | 'object' | 'array', or SQL NULL where there is no value (absent or JSON null). */
  type(path: string): SQL
  /** The value as text where it is a string; NULL otherwise. */
  text(path: string): SQL
  /** The value as a number where it is a number; NULL otherwise. */
  number(path: string): SQL
  /** The value as a boolean where it is one; NULL otherwise. */
  boolean(path: string): SQL
  /** Milliseconds since 1970 where the value is an ISO 8601 date or date-time (no zone: UTC); NULL otherwise. */
  instant(path: string): SQL
  /** Code-point order, on both sides: `<`, `>` on text never depend on a locale. */
  compareText(left: SQL, operator: '=' | '<' | '<=' | '>' | '>=', right: string): SQL
  /** Literal, case-sensitive matching: no wildcard has a meaning in `needle`. */
  matches(text: SQL, where: 'start' | 'end' | 'anywhere', needle: string): SQL
}
