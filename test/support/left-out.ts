// The last line of `npm test` on a machine that lacks a server: which suites did not run against it, and how to get it.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { TestProject } from 'vitest/node'
import type { LeftOut } from './distribution-server.ts'

export default function setup(project: TestProject) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-left-out-'))
  const file = path.join(folder, 'left-out.jsonl')
  fs.writeFileSync(file, '')
  project.provide('leftOut', file)
  return () => {
    const lines = fs.readFileSync(file, 'utf8').split('\n').filter(Boolean)
    fs.rmSync(folder, { recursive: true })
    if (lines.length > 0) console.log(sentenceOf(lines.map((line) => JSON.parse(line) as LeftOut)))
  }
}

function sentenceOf(all: LeftOut[]): string {
  const unique = (texts: string[]) => [...new Set(texts)].sort()
  const programs = (suite: string) =>
    unique(all.filter((one) => one.suite === suite).map((one) => one.program))
  const suites = unique(all.map((one) => one.suite)).map(
    (suite) => `${suite} (needs ${programs(suite).join(', ')})`,
  )
  const packages = unique(all.map((one) => one.package))
  return `NOT RUN: ${suites.join(', ')}. To run them: apt-get install ${packages.join(' ')}`
}
