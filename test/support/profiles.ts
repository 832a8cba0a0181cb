import { sql } from 'drizzle-orm'
import type { Database } from '../../src/storage/database.ts'

/** All profiles in the order of their ids, with their attributes as parsed JSON. */
export async function profilesOf(database: Database) {
  const { profiles } = database.tables
  const rows = await database.aside(
    database.db
      .select({ key: profiles.key, attributes: sql`json(${profiles.attributes})` })
      .from(profiles)
      .orderBy(profiles.id),
  )
  return rows.map(([key, text]): { key: string; attributes: Record<string, unknown> } => ({
    key: String(key),
    attributes: JSON.parse(String(text)),
  }))
}
