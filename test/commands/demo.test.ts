import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { cliFolder } from '../support/cli.ts'

const cli = cliFolder()
afterAll(() => cli.dispose())
const ROOT = path.join(import.meta.dirname, '../..')

function checkOutput(stdout: string): void {
  for (const line of ['46  Big spenders', '60  Customers in India', '876  New on fibre']) {
    expect(stdout).toContain(line)
  }
  expect(stdout.match(/^SUCCESS /gm)).toHaveLength(4)
  expect(stdout).toContain('Email,First name,Last name,Country,Rentals,Total spent')
  expect(stdout).toMatch(/manifest\.json\n[\s\S]* rows +46\n/)
}

test('the demo goes from customers to files in less than 15 seconds, and leaves nothing behind', async () => {
  const began = Date.now()
  const { code, stdout, stderr } = await cli.run(['demo'], { TMPDIR: cli.dir })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(Date.now() - began).toBeLessThan(15_000)
  checkOutput(stdout)
  expect(fs.readdirSync(cli.dir)).toEqual([])
})

test('demo --serve stays up with a token that works', async () => {
  const demo = cli.start(['demo', '--serve'], { TMPDIR: cli.dir })
  const [, url = ''] = await demo.saw(/^listening on (\S+)$/m)
  const [, token = ''] = await demo.saw(/GATEWAY_TOKEN=(\S+)/)
  const watched = await cli.run(['watch', 'run_1', '--url', url, '--token', token])
  expect(watched.stderr).toContain('There is no run')
  demo.child.kill('SIGTERM')
  expect(await demo.ended).toMatchObject({ code: 0 })
})

test('the published package holds all that the demo needs', () => {
  const dir = path.join(cli.dir, 'package')
  const { files } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'))
  for (const name of [...files, 'package.json'].filter((file) => file !== 'dist')) {
    fs.cpSync(path.join(ROOT, name), path.join(dir, name), { recursive: true })
  }
  const compiler = path.join(ROOT, 'node_modules/.bin/tsc')
  execFileSync(compiler, [
    '--project',
    path.join(ROOT, 'src/tsconfig.build.json'),
    '--outDir',
    path.join(dir, 'dist'),
  ])
  fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(dir, 'node_modules'))
  const env = { PATH: process.env.PATH }
  checkOutput(execFileSync(process.execPath, ['dist/main.js', 'demo'], { cwd: dir, env, encoding: 'utf8' }))
})
