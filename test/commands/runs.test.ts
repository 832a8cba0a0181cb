import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { compose } from '../../src/compose.ts'
import { readConfig } from '../../src/config.ts'
import { cliFolder, type RunningCli } from '../support/cli.ts'
import { silent } from '../support/database.ts'
import { apiOf, createDataflow, createSegment, evaluate } from '../support/http-api.ts'

const TOKEN = 'commands-test-token-0123456789'
const SETTINGS = { ADMIN_TOKEN: TOKEN, MIN_MINUTES_BEFORE_AD_HOC: '0' }

let cli: ReturnType<typeof cliFolder>
beforeEach(() => {
  cli = cliFolder()
})
afterEach(() => cli.dispose())

async function serve(port = '0'): Promise<{ server: RunningCli; url: string; port: string }> {
  const server = cli.start(['serve'], { ...SETTINGS, PORT: port })
  const [, url = '', listening = ''] = await server.saw(/^listening on (.*:(\d+))$/m)
  return { server, url, port: listening }
}

/** Three people, a segment of two of them, mapped to a local folder. */
async function prepare(
  url: string,
): Promise<{ dataflow: string; segment: string; settings: { GATEWAY_URL: string } }> {
  const people = path.join(cli.dir, 'people.csv')
  fs.writeFileSync(people, 'id,age\na,20\nb,40\nc,60\n')
  await cli.run(['import', people, '--key', 'id'])
  const api = apiOf(url, TOKEN)
  const rule = { attribute: { path: 'age', operator: 'GREATER_THAN', value: 30 } }
  const segment = await createSegment(api, 'Over thirty', rule)
  await evaluate(api, [segment])
  const dataflow = await createDataflow(api, {
    name: 'out',
    fields: [{ source: 'id', target: 'Id' }],
    fileFormat: {},
    segmentIds: [segment],
  })
  return { dataflow, segment, settings: { GATEWAY_URL: url } }
}

const call = (dataflow: string, segment: string) => ['activate', '--dataflow', dataflow, '--segment', segment]

test('activate --watch shows the run to its end, with its files', async () => {
  const { url } = await serve()
  const { dataflow, segment, settings } = await prepare(url)
  const { code, stdout } = await cli.run([...call(dataflow, segment), '--watch'], {
    ...SETTINGS,
    ...settings,
  })
  expect(code).toBe(0)
  expect(stdout).toMatch(/QUEUED[\s\S]*STARTED[\s\S]*SUCCEEDED/)
  expect(stdout).toContain('SUCCESS  Over thirty: 2 exported, 0 excluded, 0 failed')
  expect(stdout).toMatch(/^ {2}out\/\S+\.csv {2}2 rows/m)
})

test('an activation that is refused exits 1 with code and message of every error', async () => {
  const { url } = await serve()
  const { dataflow, settings } = await prepare(url)
  const { code, stdout, stderr } = await cli.run(call(dataflow, 'seg_none'), { ...SETTINGS, ...settings })
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(/^[A-Z_]+: .*seg_none/)
})

test('a wrong token is told, and so is a run that is not there', async () => {
  const { url } = await serve()
  const refused = await cli.run(['watch', 'run_1', '--url', url, '--token', 'wrong'])
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('UNAUTHENTICATED') })
  const absent = await cli.run(['watch', 'run_1', '--url', url, '--token', TOKEN])
  expect(absent).toMatchObject({ code: 1, stderr: 'There is no run "run_1" in this sandbox.\n' })
})

test('watch outlives a restart of the gateway: every event once, in order, to the terminal one', async () => {
  const first = await serve()
  const { dataflow, segment } = await prepare(first.url)
  first.server.child.kill('SIGTERM')
  await first.server.ended

  // Nobody takes the run up yet: there is no engine.
  const config = readConfig({ ...SETTINGS, DATA_DIR: path.join(cli.dir, 'data'), PORT: first.port })
  const gateway = await compose(config, { log: silent })
  const { url } = await gateway.start({ api: true, engine: false })
  const settings = { ...SETTINGS, GATEWAY_URL: url }
  const watcher = cli.start([...call(dataflow, segment), '--watch', '--json'], settings)
  await watcher.saw(/"type":"QUEUED"/)
  await gateway.stop()

  await serve(first.port)
  const { code, stdout, stderr } = await watcher.ended
  expect(code).toBe(0)
  expect(stderr).toContain('The connection was lost')
  const [started, ...lines] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const { run } = lines.pop()
  expect(run).toMatchObject({ id: started.runIds[0], status: 'SUCCESS', files: [{ rows: 2 }] })
  const cursors = lines.map(({ cursor }) => cursor)
  expect(new Set(cursors).size).toBe(cursors.length)
  expect(lines.filter(({ type }) => type === 'QUEUED')).toHaveLength(1)
  expect(lines.at(-1)).toMatchObject({ type: 'SUCCEEDED', runId: run.id })
})

test('interrupted, watch leaves the run going and says how to watch it again', async () => {
  const first = await serve()
  const { dataflow, segment } = await prepare(first.url)
  first.server.child.kill('SIGTERM')
  await first.server.ended
  const config = readConfig({ ...SETTINGS, DATA_DIR: path.join(cli.dir, 'data'), PORT: '0' })
  const gateway = await compose(config, { log: silent })
  try {
    const { url } = await gateway.start({ api: true, engine: false })
    const settings = { ...SETTINGS, GATEWAY_URL: url }
    const watcher = cli.start([...call(dataflow, segment), '--watch'], settings)
    await watcher.saw(/QUEUED/)
    watcher.child.kill('SIGINT')
    const { code, stderr } = await watcher.ended
    expect(code).toBe(1)
    expect(stderr).toMatch(/The run goes on\. Watch it again: npm run gateway -- watch run_\w+ --after \S+\n/)
  } finally {
    await gateway.stop()
  }
})
