// Every table, written once over the column kit. One block per noun; ids are made in the app (ids.ts),
// so that a batch can be listed up front. Rows of history are never deleted by cascade: no references
// with ON DELETE, because a table rebuild by a migration would silently take the children along.
import type { Kit } from './kit.ts'
import { activationTables } from './tables-activation.ts'
import { catalogTables } from './tables-catalog.ts'
import { notificationTables } from './tables-notification.ts'
import { operationsTables } from './tables-operations.ts'

export function defineTables(kit: Kit) {
  return {
    ...catalogTables(kit),
    ...activationTables(kit),
    ...operationsTables(kit),
    ...notificationTables(kit),
  }
}

export type Tables = ReturnType<typeof defineTables>
/** The row types of all tables, e.g. `Row<'runs'>`. */
export type Row<Name extends keyof Tables> = Tables[Name]['$inferSelect']
export type NewRow<Name extends keyof Tables> = Tables[Name]['$inferInsert']
