// The README as a newcomer follows it: every snippet runs against the demo's gateway, every table is compared with the code.
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { buildSchema, OperationTypeNode, parse, validate } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commandLine } from '../../src/commands/command-line.ts'
import { readConfig } from '../../src/config.ts'
import { createOutbound } from '../../src/destinations/outbound.ts'
import { driverRegistry } from '../../src/destinations/registry.ts'
import { ERROR_CODES } from '../../src/graphql/error-code.ts'
import type { Tree } from '../support/api.ts'
import { cliFolder } from '../support/cli.ts'
import { apiOf } from '../support/http-api.ts'
import {
  fences,
  notPrinted,
  ROOT,
  type ServedDemo,
  section,
  serveDemo,
  steady,
  text,
} from '../support/readme.ts'
import { openStream, resultsIn } from '../support/sse-client.ts'

const run = promisify(execFile)
const cli = cliFolder()
let demo: ServedDemo
let runId = ''

beforeAll(async () => {
  demo = await serveDemo(cli)
})
afterAll(() => cli.dispose())

async function shell(command: string): Promise<string> {
  const { stdout } = await run('bash', ['-ec', command], { env: demo.env, cwd: cli.dir })
  return stdout
}

describe('the README', () => {
  it('shows what the demo prints', () => {
    const [shown = ''] = fences('', 'A gateway is up')
    expect(notPrinted(shown, demo.output)).toEqual([])
  })

  it('has a first query that answers what it says', async () => {
    const [command = ''] = fences('sh', '{ segments(')
    const [answer = ''] = fences('json')
    expect(JSON.parse(steady(await shell(command)))).toEqual(JSON.parse(steady(answer)))
  })

  it('has GraphQL that the schema knows', () => {
    const schema = buildSchema(fs.readFileSync(path.join(ROOT, 'schema.graphql'), 'utf8'))
    for (const document of fences('graphql')) expect(validate(schema, parse(document))).toEqual([])
  })

  it('has queries that answer, and mutations that lead to a live run', async () => {
    const api = apiOf(demo.env.GATEWAY_URL, demo.env.GATEWAY_TOKEN)
    for (const document of fences('graphql', '{ destinations')) await api(document)

    const [document = ''] = fences('graphql', 'mutation Activate')
    const { definitions } = parse(document)
    const source = (name: string) => {
      const found = definitions.find((node) => 'name' in node && node.name?.value === name)
      return document.slice(found?.loc?.start, found?.loc?.end)
    }
    const made = async (name: string, variables = {}) => {
      const [payload] = Object.values(
        await api<Record<string, Record<string, unknown>>>(source(name), variables),
      )
      expect(payload?.errors).toEqual([])
      return Object.values(payload ?? {})[0] as { id: string }
    }
    expect(
      definitions.every((node) => 'operation' in node && node.operation === OperationTypeNode.MUTATION),
    ).toBe(true)
    const segment = await made('Segment')
    const job = await made('Evaluate')
    const status = 'query ($id: ID!) { segmentationJob(id: $id) { status } }'
    await expect.poll(() => api(status, { id: job.id })).toEqual({ segmentationJob: { status: 'SUCCEEDED' } })
    const destination = await made('Destination')
    const dataflow = await made('Dataflow', { destinationId: destination.id, segmentId: segment.id })
    const activation = await made('Activate', { dataflowId: dataflow.id, segmentIds: [segment.id] })
    runId = (activation as unknown as { orders: { run: { id: string } }[] }).orders[0]?.run.id ?? ''
    expect(runId).toMatch(/^run_/)
  })

  it('has an account that can be made', async () => {
    const [document = ''] = fences('graphql', 'mutation Account')
    const made = await apiOf(
      demo.env.GATEWAY_URL,
      demo.env.GATEWAY_TOKEN,
    )<Tree>(document.slice(0, document.indexOf('mutation Verify')))
    expect(made.createDestinationAccount).toMatchObject({
      destinationAccount: { status: 'UNVERIFIED' },
      errors: [],
    })
  })

  it('names every type of destination there is, and no other', () => {
    const rows = section('Destinations').matchAll(/^\| `([A-Z0-9_]+)` \|/gm)
    const outbound = createOutbound({ allow: [] })
    const types = driverRegistry({ exportRoot: '/', outbound })
      .list()
      .map(({ type }) => type)
    expect([...rows].map(([, type]) => type).sort()).toEqual(types.sort())
  })

  it('has clients that watch the run to its end, over WebSocket and as server-sent events', async () => {
    const file = path.join(cli.dir, 'watch.mjs')
    const programs = fences('js', 'runEvents')
    expect(programs).toHaveLength(2)
    for (const program of programs) {
      fs.writeFileSync(file, program)
      const { stdout } = await run(process.execPath, [file, runId], { env: demo.env })
      expect(stdout.trim().split('\n').at(-1)?.trim()).toBe('SUCCEEDED 100')
    }
  })

  it('has a lookup and a copy for partners, which goes on where it was', async () => {
    const { GATEWAY_URL, GATEWAY_TOKEN, PATH } = demo.env
    const api = apiOf(GATEWAY_URL, GATEWAY_TOKEN)
    const { destinations } = await api<Tree>(
      '{ destinations(first: 1) { nodes { id dataflows { nodes { id } } segmentMappings { nodes { number segment { id } } } } } }',
    )
    const [destination] = destinations.nodes
    const { createApiToken } = await api<Tree>(
      'mutation ($input: CreateApiTokenInput!) { createApiToken(input: $input) { secret } }',
      { input: { name: 'P', roles: ['PARTNER'], destinationIds: [destination.id] } },
    )
    const DESTINATION_ID: string = destination.id
    const env = { PATH, GATEWAY_URL, PARTNER_TOKEN: createApiToken.secret, DESTINATION_ID }
    const [lookup = ''] = fences('sh', 'PARTNER_TOKEN')
    const many = `[${Array.from({ length: 1000 }, (_, index) => index + 1)}]`
    for (const command of [lookup, lookup.replace('[1,2,3]', many)]) {
      const { stdout } = await run('bash', ['-ec', command], { env })
      expect(JSON.parse(stdout).data.destination.segmentMappings.nodes.length).toBeGreaterThan(0)
    }

    const [script = ''] = fences('js', 'segmentMappingChanged')
    fs.writeFileSync(path.join(cli.dir, 'copy.mjs'), script)
    const copied = () => JSON.parse(fs.readFileSync(path.join(cli.dir, 'segments.json'), 'utf8')).segments
    const follow = () => execFile(process.execPath, ['copy.mjs', destination.id], { env, cwd: cli.dir })
    const patience = { timeout: 10_000 }
    const numbers = destination.segmentMappings.nodes.map(({ number }: Tree) => String(number))
    const [{ number, segment }] = destination.segmentMappings.nodes
    const first = follow()
    await expect.poll(() => Object.keys(copied()).sort(), patience).toEqual(numbers.sort())
    await api(
      'mutation ($id: ID!) { updateSegment(input: { id: $id, name: "New name" }) { errors { code } } }',
      segment,
    )
    await expect.poll(() => copied()[number].elementName, patience).toBe('New name')
    first.kill('SIGKILL')
    const [{ id: dataflowId }] = destination.dataflows.nodes
    const unmap =
      'mutation ($dataflowId: ID!, $id: ID!) { unmapSegments(dataflowId: $dataflowId, segmentIds: [$id]) { errors { code } } }'
    await api(unmap, { dataflowId, ...segment })
    const second = follow()
    await expect.poll(() => copied()[number].elementStatus, patience).toBe('DELETED')
    second.kill('SIGKILL')
  })

  it('has subscriptions that tell something', async () => {
    const { GATEWAY_URL, GATEWAY_TOKEN: token } = demo.env
    const { run: row } = await apiOf(GATEWAY_URL, token)<{ run: Tree }>(
      'query ($id: ID!) { run(id: $id) { dataflow { destination { id } } } }',
      { id: runId },
    )
    const variables = { destinationId: row.dataflow.destination.id }
    const documents = fences('graphql', 'subscription')
    expect(documents.length).toBeGreaterThan(0)
    for (const shown of documents) {
      // The run that it would show is over by now.
      const query = shown.replace('[QUEUED, PROCESSING]', '[SUCCESS]')
      const left = new AbortController()
      const { chunks } = await openStream(GATEWAY_URL, { token, query, variables, signal: left.signal })
      const { value } = await resultsIn(chunks).next()
      expect(value.errors).toBeUndefined()
      left.abort()
    }
  })

  it('has a curl that watches the run to its end', async () => {
    const [command = ''] = fences('sh', 'text/event-stream')
    expect(await shell(command.replace('run_…', runId))).toContain('"type":"SUCCEEDED"')
  })

  it('has a curl that trades a secret for an access token', async () => {
    const api = apiOf(demo.env.GATEWAY_URL, demo.env.GATEWAY_TOKEN)
    const made = await api<{ createApiToken: { secret: string; apiToken: { clientId: string } } }>(
      'mutation { createApiToken(input: { name: "R", roles: [ADMIN] }) { secret apiToken { clientId } } }',
    )
    const { secret, apiToken } = made.createApiToken
    const env = { ...demo.env, CLIENT_ID: apiToken.clientId, CLIENT_SECRET: secret }
    const [command = ''] = fences('sh', '/oauth/token')
    const { stdout } = await run('bash', ['-ec', command], { env })
    const [shown = ''] = fences('json', 'access_token')
    const answer = JSON.parse(stdout)
    const varying = { access_token: '', expires_in: 0 }
    expect({ ...answer, ...varying }).toEqual({ ...JSON.parse(shown), ...varying })
    const { viewer } = await apiOf(
      demo.env.GATEWAY_URL,
      answer.access_token,
    )<{ viewer: object }>('{ viewer { name roles } }')
    expect(viewer).toEqual({ name: 'R', roles: ['VIEWER'] })
  })

  it('has a curl that shows the metrics', async () => {
    const [command = ''] = fences('sh', '/metrics')
    expect(await shell(command)).toMatch(/^gateway_operations_total\{kind="query",result="ok"\} [1-9]/m)
  })

  it('has settings that describe an identity provider', async () => {
    const [settings = ''] = fences('sh', 'export OIDC_ISSUER')
    const lines = (await shell(`${settings}\nenv`)).split('\n').filter((line) => line.startsWith('OIDC_'))
    const env = Object.fromEntries(lines.map((line) => line.split(/=(.*)/, 2)))
    expect(readConfig(env).trustedIssuer).toMatchObject({
      roleClaim: 'realm_access.roles',
      roles: { 'marketing-ops': 'OPERATOR', agencies: 'PARTNER' },
    })
  })

  it('has a curl that imports', async () => {
    const [command = ''] = fences('sh', '/import?key=')
    expect(JSON.parse(await shell(command))).toEqual({ inserted: 1, updated: 0, rejected: 0, rejections: [] })
  })

  it('names every command and script there is, and no other', () => {
    const { scripts } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'))
    const words = (pattern: RegExp) => new Set([...text.matchAll(pattern)].map(([, word = '']) => word))
    expect(Object.keys(scripts)).toEqual(expect.arrayContaining([...words(/npm run (\w+)/g)]))
    const named = new Set(['serve', 'demo', ...words(/npm run gateway -- (\w+)/g)])
    expect([...named].sort()).toEqual(
      commandLine()
        .commands.map((command) => command.name())
        .sort(),
    )
  })

  it('names every setting there is, and no other', () => {
    const declared = fs.readFileSync(path.join(ROOT, 'src/config.ts'), 'utf8').matchAll(/^ {2}([A-Z_]+): /gm)
    const rows =
      section('Settings')
        .match(/^\| `[^|]+/gm)
        ?.join('') ?? ''
    const named = [...rows.matchAll(/`([A-Z_]+)`/g)].map(([, name]) => name)
    expect(named.sort()).toEqual([...declared].map(([, name]) => name).sort())
  })

  it('tells every guardrail with its default', () => {
    const rows = section('Limits').matchAll(/^\| `(\w+)` \| ([\d,]+) \|/gm)
    const told = [...rows].map(([, name, value = '']) => [name, Number(value.replaceAll(',', ''))])
    expect(Object.fromEntries(told)).toEqual(readConfig({}).guardrails)
  })

  it('tells every code that a top-level error may have, with the words of the code', () => {
    const rows = section('Errors').matchAll(/^\| `([A-Z_]+)` \| (.+) \|$/gm)
    expect(Object.fromEntries([...rows].map(([, code, meaning]) => [code, meaning]))).toEqual(ERROR_CODES)
  })

  it('links to what is there', () => {
    for (const [, target = ''] of text.matchAll(/\]\(([^)]+)\)/g)) {
      expect(fs.existsSync(path.join(ROOT, target)), target).toBe(true)
    }
  })
})
