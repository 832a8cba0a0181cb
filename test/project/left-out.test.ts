import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const ROOT = path.join(import.meta.dirname, '../..')
let folder: string

beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-suites-'))
  const support = JSON.stringify(path.join(ROOT, 'test/support'))
  fs.symlinkSync(fs.realpathSync(path.join(ROOT, 'node_modules')), path.join(folder, 'node_modules'))
  fs.writeFileSync(
    path.join(folder, 'vitest.config.mjs'),
    `export default { test: { globalSetup: [${support} + '/left-out.ts'], pool: 'forks' } }`,
  )
  fs.writeFileSync(
    path.join(folder, 'some.test.ts'),
    `import { describe, it } from 'vitest'
    import { needs } from ${support.slice(0, -1)}/distribution-server.ts'
    const program = needs('no-such-serverd', { package: 'no-such-server' })
    describe.runIf(program)('a suite', () => it('runs', () => {}))
    it('needs nothing', () => {})`.replace(/"/g, "'"),
  )
})
afterAll(() => fs.rmSync(folder, { recursive: true }))

const run = (ci: Record<string, string>) => {
  const { CI, VITEST, ...env } = process.env
  const vitest = path.join(ROOT, 'node_modules/vitest/vitest.mjs')
  const args = [vitest, 'run', '--no-color']
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: folder,
    env: { ...env, ...ci },
    encoding: 'utf8',
  })
  return { status, output: stdout + stderr }
}

describe('a suite whose server is missing', () => {
  it('is left out, and the last line says so and how to get it', () => {
    const { status, output } = run({})
    expect(output.trimEnd().split('\n').at(-1)).toBe(
      'NOT RUN: some.test.ts (needs no-such-serverd). To run them: apt-get install no-such-server',
    )
    expect(status).toBe(0)
  })

  it('fails in CI', () => {
    const { status, output } = run({ CI: 'true' })
    expect(output).toContain('This suite needs no-such-serverd: apt-get install no-such-server')
    expect(status).toBe(1)
  })
})
