import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createMessenger } from '../../src/destinations/messenger.ts'
import { driverRegistry } from '../../src/destinations/registry.ts'
import type { Session } from '../../src/domain/access.ts'
import type { Guardrails, Logger } from '../../src/domain/ports.ts'
import type { ServiceContext } from '../../src/services/context.ts'
import type { Database } from '../../src/storage/database.ts'
import { newId } from '../../src/storage/ids.ts'
import { openDatabase } from '../../src/storage/open.ts'
import { createVault } from '../../src/vault.ts'
import { toLoopback } from './outbound.ts'
import { copiedPostgres } from './postgres-database.ts'

export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

export const guardrails: Guardrails = {
  maxSegmentsPerActivation: 80,
  minSecondsBetweenMappingAndAdHoc: 1200,
  maxRowsPerFile: 5_000_000,
  maxSegmentsPerDestination: 250,
  maxFieldsPerDataflow: 50,
  maxDestinationsPerSandbox: 100,
  maxPageSize: 100,
  maxQueryDepth: 12,
  maxQueryCost: 20_000,
}

export interface TestDatabase {
  database: Database
  sandboxId: string
  session: Session
  /** What DATABASE_URL is for another process on the same database. */
  url: string
  ctx: ServiceContext
  /** Moves the clock that ctx.clock reads. */
  setTime(time: Date): void
  dir: string
  exportRoot: string
  /** Every byte that the database holds: its files and a copy of them, or all rows of all tables. */
  stored(): Promise<Buffer>
  dispose(): Promise<void>
}

export const isOnPostgres = process.env.TEST_DIALECT === 'postgres'
/** Few: many suites share one server. */
const TEST_POOL = 4

/** Where a database of the dialect that is tested may be made, or is there already. */
export async function databasePlace(dir: string): Promise<{ url: string; drop(): Promise<void> }> {
  if (!isOnPostgres) return { url: `file:${path.join(dir, 'gateway.db')}`, drop: async () => {} }
  return copiedPostgres('migrated', async (url) => {
    const template = openDatabase(url)
    await template.migrate()
    await template.close()
  })
}

/** A fresh, migrated database in a folder of its own, with the sandbox `prod` and an administrator. */
export async function testDatabase(): Promise<TestDatabase> {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-test-'))
  const exportRoot = path.join(dir, 'exports')
  fs.mkdirSync(exportRoot)
  const place = await databasePlace(dir)
  const database = openDatabase(place.url, { poolSize: TEST_POOL })
  await database.migrate()
  let now: Date | null = null
  const clock = () => now ?? new Date()
  const sandbox = await addSandbox(database, 'prod')
  const secretsKey = randomBytes(32)
  return {
    database,
    sandboxId: sandbox.id,
    session: adminSession(sandbox),
    url: place.url,
    ctx: {
      database,
      clock,
      newId,
      log: silent,
      guardrails,
      drivers: driverRegistry({ exportRoot, outbound: toLoopback }),
      vault: createVault(() => [secretsKey]),
      messenger: createMessenger(toLoopback),
    },
    setTime: (time) => {
      now = time
    },
    dir,
    exportRoot,
    stored: () => (isOnPostgres ? rowsOf(database) : filesOf(database, dir)),
    dispose: async () => {
      await database.close()
      await place.drop()
      fs.rmSync(dir, { recursive: true, force: true })
    },
  }
}

async function filesOf(database: Database, dir: string): Promise<Buffer> {
  await database.backup(path.join(dir, 'copy.db'))
  const names = ['gateway.db', 'gateway.db-wal', 'copy.db']
  return Buffer.concat(names.map((name) => fs.readFileSync(path.join(dir, name))))
}

async function rowsOf(database: Database): Promise<Buffer> {
  const rows = await Promise.all(
    Object.values(database.tables).map((table) => database.db.select().from(table)),
  )
  return Buffer.from(JSON.stringify(rows))
}

export async function addSandbox(database: Database, name: string) {
  const sandbox = { id: newId('sandbox'), name, title: name, createdAt: new Date() }
  await database.batch([database.db.insert(database.tables.sandboxes).values(sandbox)])
  return sandbox
}

export function adminSession(sandbox: { id: string; name: string; title: string }): Session {
  return {
    tokenId: 'tok_test',
    name: 'test',
    roles: ['ADMIN'],
    sandbox,
    destinationIds: null,
    expiresAt: null,
  }
}
