import type { Column, Placeholder, SQL } from 'drizzle-orm'

/** How a dialect speaks of `profiles.attributes`. Paths are dotted; every value is bound, never spliced. */
export interface JsonDialect {
  /** All attributes as JSON text. */
  document(): SQL
  /** 'string' | 'number' | 'boolean' | 'object' | 'array', or SQL NULL where there is no value (absent or JSON null). */
  type(path: string): SQL
  /** The value as text where it is a string; NULL otherwise. */
  text(path: string): SQL
  /** The value as a double where it is a number; NULL otherwise. */
  number(path: string): SQL
  /** The value as a boolean where it is one; NULL otherwise. */
  boolean(path: string): SQL
  /**
   * Milliseconds since 1970 where the value is a string that domain/rule-instant.ts reads as an instant, in exactly its
   * grammar; NULL otherwise.
   */
  instant(path: string): SQL
  /** Code-point order, on both sides: `<`, `>` on text never depend on a locale. */
  compareText(left: SQL, operator: '=' | '<' | '<=' | '>' | '>=', right: string): SQL
  /**
   * Whether a text or number is in the list, which is one bound parameter however long it is. For a column, in place of a
   * list the placeholder of one, as JSON.
   */
  isIn(value: SQL, list: readonly string[] | readonly number[]): SQL
  isIn(column: Column, list: Placeholder): SQL
  /** Whole milliseconds from one timestamp to another; NULL where one of them is. */
  milliseconds(from: Column, to: Column): SQL
  /** Marks a condition that is true of most rows: not the one to search by. */
  likely(condition: SQL): SQL
  /** Whether a column's text is like a pattern of LIKE with the escape \\, whatever the case. */
  contains(column: Column, pattern: Placeholder): SQL
  /** Literal, case-sensitive matching: no wildcard has a meaning in `needle`. */
  matches(text: SQL, where: 'start' | 'end' | 'anywhere', needle: string): SQL
}
