import type { Kit } from './kit.ts'

/** Columns that many tables have. */
export function columnsOf(kit: Kit) {
  return {
    stamps: {
      createdAt: kit.timestamp('created_at').notNull(),
      updatedAt: kit.timestamp('updated_at').notNull(),
    },
    sandboxId: () => kit.text('sandbox_id').notNull(),
    counter: (name: string) => kit.bigint(name).notNull().default(0),
  }
}
