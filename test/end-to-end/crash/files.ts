import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { parse } from 'csv-parse/sync'
import { expect } from 'vitest'
import { chunks } from '../../../src/storage/chunks.ts'
import type { Api } from '../../support/http-api.ts'
import type { Scene } from './scene.ts'

interface RunView {
  id: string
  status: string
  segment: { id: string }
  progress: {
    received: number
    exported: number
    excluded: number
    failed: number
    files: number
    percent: number
  }
  files: { name: string; location: string; rows: number; bytes: number; sha256: string }[]
}

const PAGE = 50

export const outFolder = (dir: string): string => path.join(dir, 'exports/out')

/** The folder holds exactly the files of these runs, each whole, with the right rows, and as its manifest says. */
export async function expectWholeFiles(
  api: Api,
  runIds: string[],
  { scene, dir }: { scene: Pick<Scene, 'expected'>; dir: string },
): Promise<void> {
  const runs = (await Promise.all(chunks(runIds, PAGE).map((ids) => viewsOf(api, ids)))).flat()
  expect(runs).toHaveLength(runIds.length)
  const known: string[] = []
  for (const run of runs) {
    const expected = scene.expected.get(run.segment.id)
    expect(run.status).toBe('SUCCESS')
    const { exported, excluded, received, failed, files, percent } = run.progress
    expect({ exported, excluded }).toEqual({ exported: expected?.exported, excluded: expected?.excluded })
    expect([received, failed, files, percent]).toEqual([exported + excluded, 0, run.files.length, 100])
    const rows = run.files.flatMap((file) => rowsOf(dir, file))
    const emails = new Set(rows.map(([email]) => email))
    expect(emails.size).toBe(expected?.exported)
    if (expected?.emails) expect(emails).toEqual(expected.emails)
    expect(rows).toHaveLength(expected?.exported ?? -1)
    const first = run.files[0]?.name ?? ''
    const manifest = JSON.parse(fs.readFileSync(path.join(outFolder(dir), `${first}.manifest.json`), 'utf8'))
    expect(manifest.run).toBe(run.id)
    expect(manifest.files).toEqual(
      run.files.map(({ name, rows, bytes, sha256 }) => ({ name, rows, bytes, sha256 })),
    )
    known.push(...run.files.map((file) => file.name), `${first}.manifest.json`)
  }
  expect(fs.readdirSync(outFolder(dir)).sort()).toEqual(known.sort())
}

async function viewsOf(api: Api, ids: string[]): Promise<RunView[]> {
  const { runs } = await api<{ runs: { nodes: RunView[] } }>(
    `query ($ids: [ID!]) { runs(first: ${PAGE}, filter: { ids: $ids }) { nodes {
      id status segment { id } progress { received exported excluded failed files percent }
      files { name location rows bytes sha256 } } } }`,
    { ids },
  )
  return runs.nodes
}

function rowsOf(dir: string, file: RunView['files'][number]): string[][] {
  const bytes = fs.readFileSync(path.join(dir, 'exports', file.location))
  expect([bytes.length, createHash('sha256').update(bytes).digest('hex')]).toEqual([file.bytes, file.sha256])
  const [, ...rows] = parse(file.name.endsWith('.gz') ? gunzipSync(bytes) : bytes) as string[][]
  expect(rows).toHaveLength(file.rows)
  return rows
}
