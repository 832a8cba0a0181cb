// The main job from end to end, through the real parts: database, API over HTTP and WebSocket, engine, files.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { compose, type Gateway } from '../compose.ts'
import { type Config, readConfig } from '../config.ts'
import { createLogger } from '../logger.ts'
import { type ApiClient, apiClient } from './api-client.ts'
import { buildDemo } from './demo-build.ts'
import { showFiles } from './demo-files.ts'
import { runUntilStopped } from './lifetime.ts'
import { columns, paint, print, programCall } from './output.ts'
import { fetchRun, startActivation } from './run-api.ts'
import { watchRuns } from './watch.ts'

export interface DemoOptions {
  serve?: boolean
  keep?: boolean
}

/** Runs the demo in a fresh folder, which it removes unless it is to be kept or served. */
export async function demo(given: Config, options: DemoOptions): Promise<void> {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'activation-gateway-demo-'))
  const isKept = options.serve || options.keep
  process.once('exit', () => {
    if (!isKept) fs.rmSync(dir, { recursive: true, force: true })
  })
  if (!options.serve) for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => process.exit(1))
  const config = demoConfig(given, dir, options)
  const log = createLogger(config)
  const gateway = await compose(config, { log })
  if (options.serve) return runUntilStopped(gateway, log, () => tour({ gateway, config, options }))
  try {
    await tour({ gateway, config, options })
  } finally {
    await gateway.stop()
  }
}

/** Settings of its own: only where to listen is taken over, and only to stay there. */
function demoConfig(given: Config, dir: string, { serve }: DemoOptions): Config {
  return readConfig({
    DATA_DIR: dir,
    HOST: serve ? given.host : '127.0.0.1',
    PORT: serve ? String(given.port) : '0',
    LOG_LEVEL: 'warn',
    MIN_MINUTES_BEFORE_AD_HOC: '0', // nobody waits twenty minutes for a demo
  })
}

async function tour({
  gateway,
  config,
  options,
}: {
  gateway: Gateway
  config: Config
  options: DemoOptions
}): Promise<void> {
  const began = Date.now()
  const { url, adminToken } = await gateway.start({ api: true, engine: true })
  const api = apiClient(config, { url, token: adminToken ?? '', sandbox: 'prod' })
  heading('A gateway is up')
  print(`  listening on ${url}`)
  const activations = await buildDemo(gateway, api)
  heading('Activate, and watch every run live')
  await activateAndWatch(api, activations)
  heading('What arrived')
  showFiles(config.exportRoot)
  print(`\nDone in ${((Date.now() - began) / 1000).toFixed(1)} s.`)
  heading('What to try next')
  if (options.serve) sayHowToCall(config, url, adminToken ?? '')
  else sayWhatIsNext(config, options)
}

async function activateAndWatch(
  api: ApiClient,
  activations: { dataflowId: string; segmentIds: string[] }[],
): Promise<void> {
  const { runIds } = await startActivation(api, { activations })
  await watchRuns(api, await Promise.all(runIds.map((id) => fetchRun(api, id))), {})
}

function sayHowToCall(config: Config, url: string, token: string): void {
  print(`  export GATEWAY_URL=${url} GATEWAY_TOKEN=${token}`)
  print(
    `  curl -s $GATEWAY_URL/graphql -H "authorization: Bearer $GATEWAY_TOKEN" -H 'content-type: application/json' \\`,
  )
  print(
    `    -d '{"query":"{ runs(first: 5) { nodes { id status segment { name } progress { exported } } } }"}'`,
  )
  print(`  Ctrl-C ends it; its data stays in ${config.dataDir}`)
  print(`\nlistening on ${url}`)
}

function sayWhatIsNext(config: Config, options: DemoOptions): void {
  const lines = columns([
    ['', programCall('demo --serve'), 'the same, and keep it up to query it'],
    ['', programCall('serve'), 'your own gateway, with its data in ./data'],
    ['', programCall('import customers.csv --key customer_id'), 'your own customers'],
  ])
  for (const line of lines) print(line)
  if (options.keep) print(`  The files are in ${config.exportRoot}`)
}

function heading(text: string): void {
  print(`\n${paint('bold', text)}`)
}
