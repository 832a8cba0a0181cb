// What drizzle-kit reads to generate migrations/sqlite; it wants every table as a named export.
import { sqliteKit } from './kit.sqlite.ts'
import { defineTables } from './tables.ts'

export const tables = defineTables(sqliteKit)
export const {
  sandboxes,
  apiTokens,
  signingKeys,
  namespaces,
  profiles,
  attributeStats,
  attributeHints,
  segments,
  snapshots,
  members,
  segmentationJobs,
  destinationAccounts,
  destinations,
  dataflows,
  segmentMappings,
  mappingChanges,
  activations,
  runs,
  runEvents,
  runFiles,
  rejections,
  auditLog,
  rateCounts,
  runTotals,
  notificationTargets,
  notificationStates,
  notificationMessages,
  runNews,
} = tables
