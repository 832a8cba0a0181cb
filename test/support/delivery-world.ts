// A gateway as its users run it, with segments of the sizes that matter, that delivers to one destination. It writes
// down all that it says, and can be killed and started again.

import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { compose } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import { adminSession, silent } from './database.ts'
import { type Server, startServer } from './gateway-process.ts'
import { type Api, apiOf, createAccount, createDataflow, createDestination } from './http-api.ts'

/** Rows of a file at most, where sizes around that limit are tried. */
export const LIMIT = 100
/** Members of the segments, by name. Those of LARGE make three parts of some five megabytes each. */
export const SIZES = { NONE: 0, ONE: 1, LIMIT, MORE: LIMIT + 1, LARGE: 30_000 }
const LARGE_PART_ROWS = 12_000
/** Long for anything that still moves. */
const END_MS = 25_000
const TOKEN = 'delivery-world-token-0123456789'

export interface WorldDestination {
  type: string
  account: { settings: object; secrets: object } | null
  settings: object
}
export interface RunView {
  id: string
  status: string
  attempt: number
  error: { code: string; message: string; retryable: boolean } | null
  files: { name: string; location: string; rows: number; bytes: number; sha256: string }[]
  progress: { exported: number; bytes: number; files: number }
}
export type SegmentName = keyof typeof SIZES
export type DeliveryWorld = Awaited<ReturnType<typeof deliveryWorld>>

export async function deliveryWorld(destination: WorldDestination) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-delivery-'))
  const env = {
    DATA_DIR: dir,
    ADMIN_TOKEN: TOKEN,
    LOG_LEVEL: 'trace',
    WORKERS: '2',
    MIN_MINUTES_BEFORE_AD_HOC: '0',
    OUTBOUND_ALLOW: 'http://127.0.0.1',
  }
  const segments = await buildSegments(env)
  const logFile = path.join(dir, 'gateway.log')
  const log = fs.openSync(logFile, 'a')
  const said: string[] = []
  let server: Server = await startServer(env, log)
  const api: Api = async (query, variables) => {
    const answer = await apiOf(server.url, TOKEN)(query, variables).catch((error: Error) => {
      said.push(error.message)
      throw error
    })
    said.push(JSON.stringify(answer))
    return answer as never
  }
  const ended = () => new Promise<void>((resolve) => server.child.once('close', () => resolve()))
  const ids = await createFlows(api, destination, segments)

  return {
    api,
    exportRoot: path.join(dir, 'exports'),
    /** Begins a run of the segment, and gives its id. */
    async begin(segment: SegmentName): Promise<string> {
      const dataflowId = segment === 'LARGE' ? ids.large : ids.small
      const { activate } = await api<{
        activate: { activation: { orders: { run: { id: string } }[] } | null; errors: unknown[] }
      }>(
        'mutation ($input: ActivateInput!) { activate(input: $input) { activation { orders { run { id } } } errors { code message } } }',
        { input: { activations: [{ dataflowId, segmentIds: [segments[segment]] }] } },
      )
      const id = activate.activation?.orders[0]?.run.id
      if (!id) throw new Error(JSON.stringify(activate.errors))
      return id
    },
    async run(id: string): Promise<RunView> {
      const { run } = await api<{ run: RunView }>(
        `query ($id: ID!) { run(id: $id) { id status attempt error { code message retryable }
          files { name location rows bytes sha256 } progress { exported bytes files } } }`,
        { id },
      )
      return run
    },
    /** Waits for the end of the run, whatever it is. */
    async end(id: string): Promise<RunView> {
      for (const deadline = Date.now() + END_MS; ; ) {
        const run = await this.run(id)
        if (['SUCCESS', 'FAILED', 'CANCELLED'].includes(run.status)) return run
        if (Date.now() > deadline) {
          const tail = fs.readFileSync(logFile, 'utf8').slice(-3_000)
          throw new Error(`${id} does not end: ${JSON.stringify(run)}\n${tail}`)
        }
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    },
    /** Calls a mutation that takes a run and gives one. */
    async order(name: 'cancelRun' | 'retryRun', id: string): Promise<string> {
      const answer = await api<Record<string, { run: { id: string } | null; errors: unknown[] }>>(
        `mutation ($id: ID!) { ${name}(id: $id) { run { id } errors { code message } } }`,
        { id },
      )
      const { run, errors } = answer[name] ?? {}
      if (!run) throw new Error(JSON.stringify(errors))
      return run.id
    },
    async kill(): Promise<void> {
      const over = ended()
      server.child.kill('SIGKILL')
      await over
    },
    async start(): Promise<void> {
      server = await startServer(env, log)
    },
    /** All that the gateway has said and stored: its log, the answers of its API, its database. */
    everythingSaid(): { place: string; content: Buffer }[] {
      const stored = fs.readdirSync(dir).filter((name) => name.startsWith('gateway.db'))
      const files = ['gateway.log', ...stored].map((name) => ({
        place: name,
        content: fs.readFileSync(path.join(dir, name)),
      }))
      return [...files, { place: 'answers', content: Buffer.from(said.join('\n')) }]
    },
    async stop(): Promise<void> {
      await this.kill()
      fs.closeSync(log)
      fs.rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** Fills the database before the gateway is there, which is quicker, and gives the segments' ids. */
async function buildSegments(env: Record<string, string>): Promise<Record<SegmentName, string>> {
  const config = readConfig(env)
  fs.mkdirSync(config.exportRoot, { recursive: true })
  const gateway = await compose(config, { log: silent })
  await gateway.start({ api: false, engine: true })
  const { services, database } = gateway
  const [sandbox] = await database.db.select().from(database.tables.sandboxes)
  if (!sandbox) throw new Error('no sandbox')
  const session = adminSession(sandbox)
  for (let start = 0; start < SIZES.LARGE; start += 2_000) {
    const profiles = Array.from({ length: 2_000 }, (_, i) => profile(start + i + 1))
    await services.profile.upsert(session, { key: 'id', profiles })
  }
  const segments = {} as Record<SegmentName, string>
  for (const [name, size] of Object.entries(SIZES)) {
    const rule = { attribute: { path: 'n', operator: 'LESS_OR_EQUAL' as const, value: size } }
    segments[name as SegmentName] = (await services.segment.create(session, { name, rule })).id
  }
  const job = await services.segment.evaluate(session, null)
  for (;;) {
    const [row] = await database.db.select().from(database.tables.segmentationJobs)
    if (row?.id === job.id && row.status === 'SUCCEEDED') break
    await database.wake.wait('jobs', 50)
  }
  await gateway.stop()
  return segments
}

/** 400 characters that do not repeat make the rows long, and hard to compress. */
function profile(n: number) {
  const words = Array.from({ length: 7 }, (_, i) => createHash('sha256').update(`${n}-${i}`).digest('hex'))
  return { id: n, n, email: `p${n}@example.com`, note: words.join(' ').slice(0, 400) }
}

async function createFlows(
  api: Api,
  { type, account, settings }: WorldDestination,
  segments: Record<SegmentName, string>,
) {
  const accountId = account && (await createAccount(api, { name: 'Ours', type, ...account }))
  const there = { name: 'There', type, settings, ...(accountId && { accountId }) }
  const destinationId = await createDestination(api, there)
  const fields = ['email', 'n', 'note'].map((name) => ({ source: name, target: name }))
  const flow = (name: string, maxRowsPerFile: number, of: SegmentName[]) => {
    const segmentIds = of.map((segment) => segments[segment])
    return createDataflow(api, { name, destinationId, fields, fileFormat: { maxRowsPerFile }, segmentIds })
  }
  return {
    small: await flow('Small', LIMIT, ['NONE', 'ONE', 'LIMIT', 'MORE']),
    large: await flow('Large', LARGE_PART_ROWS, ['LARGE']),
  }
}
