// A PostgreSQL that lets nobody in without TLS: each kind of connection that the gateway opens has to speak it.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { sql } from 'drizzle-orm'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openExportReader } from '../../src/storage/export-reader.ts'
import { openDatabase } from '../../src/storage/open.ts'
import { profileStore } from '../../src/storage/profile.ts'
import { certificate } from '../support/certificate.ts'
import { cliFolder } from '../support/cli.ts'
import { addSandbox } from '../support/database.ts'
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts'

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-tls-'))
const authority = path.join(dir, 'authority.pem')
const verified = `?sslmode=verify-full&sslrootcert=${authority}`
let server: PostgresServer

beforeAll(async () => {
  fs.writeFileSync(authority, certificate.cert)
  server = await startPostgres()
  const admin = new pg.Client(server.url)
  await admin.connect()
  const { rows } = await admin.query('show data_directory')
  const folder: string = rows[0].data_directory
  const { uid, gid } = fs.statSync(folder)
  for (const [name, text] of Object.entries({ crt: certificate.cert, key: certificate.key })) {
    const file = path.join(folder, `server.${name}`)
    fs.writeFileSync(file, text, { mode: 0o600 })
    fs.chownSync(file, uid, gid) // PostgreSQL takes no key of others
  }
  const access = path.join(folder, 'pg_hba.conf')
  fs.writeFileSync(access, fs.readFileSync(access, 'utf8').replace(/^host /gm, 'hostssl '))
  await admin.query('alter system set ssl = on')
  await admin.query('select pg_reload_conf()')
  await admin.end()
})
afterAll(async () => {
  await server.stop()
  fs.rmSync(dir, { recursive: true, force: true })
})

it('TLS that the URL asks for is spoken by migrations, statements, imports, long reads, sessions, exports and threads', async () => {
  const url = server.url + verified
  const database = openDatabase(url)
  try {
    await database.migrate()
    await database.life.register('proc_1')
    const { id } = await addSandbox(database, 'prod')
    const namespaceId = await profileStore(database).ensureNamespace(id, 'email')
    const patches = [{ key: 'a@example.com', patch: '{"email":"a@example.com"}' }]
    expect(await database.upsertProfiles(namespaceId, patches)).toEqual({ inserted: 1, updated: 0 })
    const { db, tables } = database
    const [profile] = await db.select({ id: tables.profiles.id }).from(tables.profiles)
    await database.batch([db.insert(tables.members).values({ version: 1, profileId: profile?.id ?? 0 })])
    const encrypted = db
      .select({ all: sql<number>`count(*)`, encrypted: sql<number>`count(*) filter (where ssl)` })
      .from(sql`pg_stat_ssl join pg_stat_activity using (pid)`)
      .where(sql`application_name = 'activation-gateway'`)
    const reader = openExportReader(database.exportSource(), {
      version: 1,
      since: null,
      refusedIn: null,
      paths: ['email'],
      asText: false,
      deduplicateBy: [],
      required: [],
      consent: null,
      sent: null,
    })
    await reader.prepare()
    expect(Buffer.from((await reader.page(0, 10))?.lines ?? []).toString()).toMatch(/\["a@example\.com"\]/)
    const [[all, own] = []] = await database.aside(encrypted)
    expect(own).toBe(all)
    expect(Number(all)).toBeGreaterThanOrEqual(6) // pool, import, aside, session, and two of the export
    await reader.close()
    expect(await database.attributeStatistics(id)).toMatchObject([{ path: 'email', profileCount: 1 }])
  } finally {
    await database.close()
  }
})

it('TLS is spoken by a copy that moves up', async () => {
  const admin = new pg.Client(server.url + verified)
  await admin.connect()
  await admin.query('create database of_a_copy')
  await admin.end()
  const cli = cliFolder()
  try {
    expect(await cli.run(['migrate'])).toMatchObject({ code: 0 })
    const target = server.url.replace(/postgres$/, 'of_a_copy')
    expect(await cli.run(['copy', target])).toMatchObject({ code: 1 })
    const copied = await cli.run(['copy', target + verified])
    expect(copied).toMatchObject({ code: 0 })
    expect(copied.stdout).toContain('profiles')
  } finally {
    await cli.dispose()
  }
})

it('a certificate that nobody vouches for, and a connection without TLS, are refused with what to do', async () => {
  const toldOf = async (parameters: string) => {
    const database = openDatabase(server.url + parameters)
    try {
      await database.migrate()
    } catch (error) {
      return (error as Error).message
    } finally {
      await database.close()
    }
  }
  expect(await toldOf('?sslmode=verify-full')).toBe(
    'The database cannot be trusted over TLS. Name the authority of its certificate in DATABASE_URL: sslrootcert=PATH.',
  )
  expect(await toldOf('')).toBe(
    'The database does not let this user in from here. It may want TLS: add sslmode=verify-full to DATABASE_URL.',
  )
})
