import fs from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { z } from 'zod'
import { paint, print, size } from './output.ts'

const LINES_SHOWN = 3

/** Prints the files below a folder with their sizes and first lines, and one manifest whole. */
export function showFiles(root: string): void {
  const files = fs
    .readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => fs.statSync(path.join(root, name)).isFile() && !path.basename(name).startsWith('.'))
    .sort()
  const [manifest] = files.filter((name) => name.endsWith('.manifest.json'))
  for (const name of files.filter((other) => !other.endsWith('.manifest.json'))) {
    const bytes = fs.readFileSync(path.join(root, name))
    const text = (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
    print(`  ${paint('cyan', name)}  ${size(bytes.length)}`)
    for (const line of text.split(/\r?\n/).slice(0, LINES_SHOWN)) print(`    ${line}`)
  }
  if (!manifest) return
  print(`  ${paint('cyan', manifest)}`)
  const content = z
    .record(z.string(), z.unknown())
    .parse(JSON.parse(fs.readFileSync(path.join(root, manifest), 'utf8')))
  for (const [key, value] of Object.entries(content)) showEntry(key, value)
}

/** One line for a value, one for each item of a list. */
function showEntry(key: string, value: unknown): void {
  const isList = Array.isArray(value)
  print(`    ${key.padEnd(12)} ${isList ? '' : JSON.stringify(value)}`.trimEnd())
  if (isList) for (const item of value) print(`      ${JSON.stringify(item)}`)
}
