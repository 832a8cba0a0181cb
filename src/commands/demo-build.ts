// The demo's set-up: customers in, segments evaluated, a destination and its dataflows.
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Gateway } from '../compose.ts'
import { importProfiles } from '../services/import.ts'
import type { ApiClient } from './api-client.ts'
import * as make from './demo-api.ts'
import { DATA_SETS, DATAFLOWS } from './demo-plan.ts'
import { Failure } from './failure.ts'
import { columns, paint, print } from './output.ts'
import { progress } from './progress.ts'

const DATA = path.join(import.meta.dirname, '../../src/demo-data')

/** @returns what to activate */
export async function buildDemo(
  gateway: Gateway,
  api: ApiClient,
): Promise<{ dataflowId: string; segmentIds: string[] }[]> {
  print(`\n${paint('bold', 'Import real customers')}`)
  const imported = []
  for (const set of DATA_SETS) imported.push(await importSet(gateway, set))
  for (const line of columns(imported)) print(line)

  print(`\n${paint('bold', 'Evaluate segments')}`)
  const segmentIds = new Map<string, string>()
  for (const segment of DATAFLOWS.flatMap((dataflow) => dataflow.segments)) {
    segmentIds.set(segment.name, await make.createSegment(api, segment))
  }
  await evaluate(api)
  await showSizes(api)

  print(`\n${paint('bold', 'Make a destination and its dataflows')}`)
  const destination = { name: 'Local files', type: 'LOCAL_DIRECTORY', settings: { path: 'partner' } }
  const destinationId = await make.createDestination(api, destination)
  print(`  ${destination.name}: the folder ${destination.settings.path} below EXPORT_ROOT`)
  const activations = []
  for (const plan of DATAFLOWS) {
    const ids = plan.segments.flatMap(({ name }) => segmentIds.get(name) ?? [])
    activations.push({
      dataflowId: await make.createDataflow(api, { ...plan, destinationId, segmentIds: ids }),
      segmentIds: ids,
    })
    const fields = plan.fields.map(({ target, required }) => (required ? `${target} (required)` : target))
    print(`  ${plan.name}: ${fields.join(', ')}`)
  }
  return activations
}

async function importSet(
  gateway: Gateway,
  { file, key, about }: (typeof DATA_SETS)[number],
): Promise<(string | number)[]> {
  const source = path.join(DATA, file)
  const bar = progress(file, fs.statSync(source).size)
  const sandbox = await gateway.services.sandbox.ensure('prod')
  const { inserted, rejected } = await importProfiles({
    database: gateway.database,
    sandboxId: sandbox.id,
    key,
    format: 'csv',
    input: fs.createReadStream(source),
    signal: new AbortController().signal,
    onProgress: ({ bytes, rows }) => bar.update(bytes, rows),
  })
  bar.stop()
  return ['', inserted, about, `${rejected} rejected`]
}

async function evaluate(api: ApiClient): Promise<void> {
  let job = await make.evaluateSegments(api)
  const bar = progress('evaluating', job.progress.total)
  while (job.status === 'QUEUED' || job.status === 'PROCESSING') {
    await sleep(50)
    job = await make.fetchJob(api, job.id)
    bar.update(job.progress.received, job.progress.received)
  }
  bar.stop()
  if (job.status !== 'SUCCEEDED')
    throw new Failure(`The evaluation failed: ${job.error?.message ?? job.status}`)
}

async function showSizes(api: ApiClient): Promise<void> {
  const expected = new Map(DATAFLOWS.flatMap(({ segments }) => segments.map((s) => [s.name, s.expected])))
  const rows = (await make.fetchSegments(api)).map(({ name, snapshot, expression }) => {
    const found = snapshot?.profileCount ?? 0
    if (found !== expected.get(name))
      throw new Failure(`${name}: ${found} profiles, not ${expected.get(name)}.`)
    return ['', found, name, expression ?? '']
  })
  for (const line of columns(rows)) print(line)
}
