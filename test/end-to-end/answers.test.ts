// From the customers' files to the exported files, through the real processes: the sizes that another tool counted.

import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parse } from 'csv-parse/sync'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import answers from '../data/answers.json' with { type: 'json' }
import { SAKILA, TELCO } from '../support/answers.ts'
import { runCommand, type Server, startServer } from '../support/gateway-process.ts'
import { type Api, activate, apiOf, createDataflow, createSegment, evaluate } from '../support/http-api.ts'

const DATA = path.join(import.meta.dirname, '../../src/demo-data')
const TOKEN = 'answers-test-token-0123456789'
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-answers-'))
const env = { DATA_DIR: dir, ADMIN_TOKEN: TOKEN, MIN_MINUTES_BEFORE_AD_HOC: '0', LOG_LEVEL: 'silent' }

const RULES = { sakila: SAKILA, telco: TELCO }
const COLUMNS = {
  sakila: ['customer_id', 'email', 'first_name', 'total_spent', 'active'],
  telco: ['customerID', 'Contract', 'tenure', 'TotalCharges', 'Churn'],
}

let server: Server
let api: Api
beforeAll(async () => {
  await runCommand(['import', path.join(DATA, 'sakila-customers.csv'), '--key', 'customer_id', '--json'], env)
  await runCommand(['import', path.join(DATA, 'telco-customers.csv'), '--key', 'customerID', '--json'], env)
  server = await startServer(env)
  api = apiOf(server.url, TOKEN)
}, 60_000)
afterAll(async () => {
  await server?.stop()
  fs.rmSync(dir, { recursive: true, force: true })
})

describe.each(['sakila', 'telco'] as const)('%s', (table) => {
  const expected: Record<string, number> = answers[table]
  const rules: Record<string, object> = RULES[table]
  const columns = COLUMNS[table]

  it('selects and exports every segment in the right size, file and manifest agreeing to the byte', async () => {
    const names = Object.keys(expected)
    const ids: string[] = []
    for (const name of names) ids.push(await createSegment(api, `${table}: ${name}`, rules[name]))
    await evaluate(api, ids)
    const fields = columns.map((column) => ({ source: column, target: column }))
    const dataflowId = await createDataflow(api, { name: table, fields, fileFormat: {}, segmentIds: ids })
    for (const [index, name] of names.entries()) {
      const id = ids[index] ?? ''
      const { segment } = await api<{ segment: { snapshot: { profileCount: number } } }>(
        'query ($id: ID!) { segment(id: $id) { snapshot { profileCount } } }',
        { id },
      )
      expect([name, segment.snapshot.profileCount]).toEqual([name, expected[name]])
      const run = await activate(api, dataflowId, id)
      expect([name, run.progress.exported]).toEqual([name, expected[name]])
      const manifest = manifestOf(run.id)
      const [file] = manifest.files
      const bytes = fs.readFileSync(path.join(dir, 'exports', table, file.name))
      expect({ bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }).toEqual({
        bytes: file.bytes,
        sha256: file.sha256,
      })
      const [header, ...rows] = parse(bytes) as string[][]
      expect(header).toEqual(columns)
      expect(rows).toHaveLength(expected[name] ?? -1)
      expect(manifest.rows).toBe(expected[name])
    }
  }, 60_000)

  it('keeps the values as they are in the source', () => {
    const source = parse(fs.readFileSync(path.join(DATA, `${table}-customers.csv`)), {
      columns: true,
    }) as Record<string, string>[]
    const [first] = fs.readdirSync(path.join(dir, 'exports', table)).filter((name) => name.endsWith('.csv'))
    const rows = parse(fs.readFileSync(path.join(dir, 'exports', table, first ?? '')), {
      columns: true,
    }) as Record<string, string>[]
    const key = columns[0] ?? ''
    const byKey = new Map(source.map((row) => [row[key], row]))
    // A number is a number: 115.70 comes out as 115.7.
    const plain = (text = '') => (/^\d+\.\d+$/.test(text) ? String(Number(text)) : text.trim())
    for (const row of rows) {
      for (const column of columns) expect(row[column]).toBe(plain(byKey.get(row[key])?.[column]))
    }
  })
})

function manifestOf(runId: string) {
  for (const folder of Object.keys(COLUMNS)) {
    const at = path.join(dir, 'exports', folder)
    const names = fs.existsSync(at)
      ? fs.readdirSync(at).filter((name) => name.endsWith('.manifest.json'))
      : []
    for (const name of names) {
      const manifest = JSON.parse(fs.readFileSync(path.join(at, name), 'utf8'))
      if (manifest.run === runId) return manifest
    }
  }
  throw new Error(`run ${runId} has no manifest`)
}
