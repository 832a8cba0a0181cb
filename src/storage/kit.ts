// The column kit: one name per kind of column, given a dialect's types by kit.sqlite.ts and kit.postgres.ts.
// tables.ts is written once over it; the SQLite types stand for both, because both dialects
// hand the same JavaScript values in and out (Date, number, boolean, parsed JSON).
import type { sqliteKit } from './kit.sqlite.ts'

export type Kit = typeof sqliteKit
