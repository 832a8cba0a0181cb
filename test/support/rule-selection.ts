import { and, asc, eq, gt } from 'drizzle-orm'
import type { Rule } from '../../src/domain/model.ts'
import type { Database } from '../../src/storage/database.ts'
import { ruleCondition } from '../../src/storage/rule-sql.ts'

export const NOW = new Date('2023-01-02T12:00:00.500Z')
const versions: Record<string, number> = { seg_a: 1, seg_b: 2 }

/** Stores profiles, every third a member of seg_a, and says which of them SQL selects for each rule. */
export function ruleSelection({ database }: { database: Database }) {
  const { db, tables } = database
  let lastId = 0
  let lastKey = 0
  return async (profiles: Record<string, unknown>[], rules: Rule[]): Promise<boolean[][]> => {
    const rows = profiles.map((attributes) => ({ namespaceId: 1, key: String(lastKey++), attributes }))
    await database.batch([db.insert(tables.profiles).values(rows)])
    const stored = await db
      .select({ id: tables.profiles.id })
      .from(tables.profiles)
      .where(and(eq(tables.profiles.namespaceId, 1), gt(tables.profiles.id, lastId)))
      .orderBy(asc(tables.profiles.id))
    const ids = stored.map(({ id }) => id)
    const firstNew = lastId
    lastId = ids.at(-1) ?? lastId
    const members = ids.filter((_, index) => index % 3 === 0).map((profileId) => ({ version: 1, profileId }))
    await database.batch([db.insert(tables.members).values(members)])
    const answers = []
    for (const one of rules) {
      const condition = ruleCondition(one, { database, now: NOW, versionOf: (id) => versions[id] ?? null })
      const hits = await db
        .select({ id: tables.profiles.id })
        .from(tables.profiles)
        .where(and(eq(tables.profiles.namespaceId, 1), gt(tables.profiles.id, firstNew), condition))
      const hit = new Set(hits.map(({ id }) => id))
      answers.push(ids.map((id) => hit.has(id)))
    }
    return answers
  }
}
