// One PostgreSQL for all suites of a run: TEST_DATABASE_URL, or one that starts when the first suite asks for it.
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { type PostgresServer, startPostgres } from './postgres-server.ts'

const MEMORY = '/dev/shm'
const ROOM = 4 * 2 ** 30

declare module 'vitest' {
  export interface ProvidedContext {
    /** Answers with the address of the server's administrative database. */
    postgresOfRun: string
    /** What the names of this run's databases begin with. */
    postgresPrefix: string
  }
}

export default async function setup(project: TestProject) {
  const given = process.env.TEST_DATABASE_URL
  const prefix = `gateway_test_${randomBytes(4).toString('hex')}_`
  let server: Promise<PostgresServer> | undefined
  const door = http.createServer(async (_request, response) => {
    server ??= given ? undefined : startPostgres({}, quickFolder())
    try {
      response.end(given ?? (await server)?.url)
    } catch (error) {
      response.writeHead(500).end(String(error))
    }
  })
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve))
  project.provide('postgresOfRun', `http://127.0.0.1:${(door.address() as AddressInfo).port}`)
  project.provide('postgresPrefix', prefix)
  return async () => {
    door.close()
    door.closeAllConnections()
    await (await server)?.stop()
    if (given) await dropAll(given, prefix)
  }
}

/** In memory where there is room for it: making a database there takes a tenth of the time. */
function quickFolder(): string | undefined {
  if (!fs.existsSync(MEMORY)) return undefined
  const { bavail, bsize } = fs.statfsSync(MEMORY)
  return bavail * bsize > ROOM ? MEMORY : undefined
}

/** What suites left behind on a server that goes on. */
async function dropAll(url: string, prefix: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  const query = 'select datname as name from pg_database where starts_with(datname, $1)'
  const { rows } = await client.query<{ name: string }>(query, [prefix])
  for (const { name } of rows) await client.query(`drop database ${name} with (force)`)
  await client.end()
}
