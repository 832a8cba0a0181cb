import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSqlite } from '../../src/storage/sqlite.ts'
import { cliFolder } from '../support/cli.ts'

const MAIN = path.join(import.meta.dirname, '../../src/main.ts')

let cli: ReturnType<typeof cliFolder>
beforeEach(() => {
  cli = cliFolder()
})
afterEach(() => cli.dispose())

test('migrate makes the database, and again changes nothing', async () => {
  for (const _ of [1, 2]) {
    expect(await cli.run(['migrate'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('is up to date'),
    })
  }
  await openSqlite(path.join(cli.dir, 'data/gateway.db')).ping()
})

test.each(['serve', 'migrate', 'worker'])(
  '%s refuses a file that is no database, and leaves it be',
  async (command) => {
    const file = path.join(cli.dir, 'garbage.db')
    const garbage = 'this was never a database\n'.repeat(500)
    fs.writeFileSync(file, garbage)
    const { code, stdout, stderr } = await cli.run([command], { DATABASE_URL: `file:${file}` })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain(`${file} is not a SQLite database`)
    expect(stderr).not.toMatch(/^\s+at /m)
    expect(fs.readFileSync(file, 'utf8')).toBe(garbage)
  },
)

test('a backup is a database with the same content, and never overwrites a file', async () => {
  const copy = path.join(cli.dir, 'copy.db')
  await cli.run(['token', 'create', '--name', 'reporting', '--role', 'VIEWER'])
  const first = await cli.run(['backup', copy, '--json'])
  expect(first.code).toBe(0)
  expect(JSON.parse(first.stdout)).toEqual({ file: copy, bytes: fs.statSync(copy).size })
  const tokens = await cli.run(['token', 'list', '--json'], { DATABASE_URL: `file:${copy}` })
  expect(JSON.parse(tokens.stdout)).toMatchObject([{ name: 'reporting' }])

  const second = await cli.run(['backup', copy])
  expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining('Name a file that does not') })
})

test('there is nothing to back up where there is no database, and none is made', async () => {
  const { code, stderr } = await cli.run(['backup', path.join(cli.dir, 'copy.db')])
  expect(code).toBe(1)
  expect(stderr).toContain('There is no database at')
  expect(fs.existsSync(path.join(cli.dir, 'data/gateway.db'))).toBe(false)
})

test('a token is made, listed without its secret, and revoked', async () => {
  const made = await cli.run([
    'token',
    'create',
    '--name',
    'reporting',
    '--role',
    'VIEWER',
    '--expires',
    '2999-01-01',
  ])
  expect(made.code).toBe(0)
  const secret = made.stdout.trim()
  expect(secret).toMatch(/^\S{40,}$/)
  const [id = ''] = /tok_\w+/.exec(made.stderr) ?? []

  const listed = await cli.run(['token', 'list'])
  expect(listed.stdout).toMatch(new RegExp(`${id} +reporting +VIEWER +valid until 2999-01-01`))
  expect(listed.stdout).not.toContain(secret)
  expect((await cli.run(['token', 'list', '--json'])).stdout).not.toContain('secretHash')

  expect(await cli.run(['token', 'revoke', id])).toMatchObject({ code: 0 })
  expect((await cli.run(['token', 'list'])).stdout).toContain('revoked')
})

test('a token is refused with every reason', async () => {
  const { code, stderr } = await cli.run(['token', 'create', '--name', ' ', '--role', 'PARTNER'])
  expect(code).toBe(1)
  expect(stderr.trim().split('\n')).toHaveLength(2)
})

test('a sandbox that is not there is answered with the ones that are', async () => {
  const { code, stderr } = await cli.run(['token', 'list', '--sandbox', 'test'])
  expect({ code, stderr }).toEqual({ code: 1, stderr: 'There is no sandbox "test". There are: prod.\n' })
})

// A limit on the size of files stands in for a small disk.
test.runIf(process.platform === 'linux')(
  'a full disk is told in a sentence, and nothing is left half done',
  async () => {
    const limited = spawnSync(
      'bash',
      ['-c', 'ulimit -f 100; exec "$0" "$1" migrate', process.execPath, MAIN],
      {
        env: { PATH: process.env.PATH, DATA_DIR: path.join(cli.dir, 'data') },
        encoding: 'utf8',
      },
    )
    expect(limited).toMatchObject({ status: 1, stdout: '' })
    expect(limited.stderr).toMatch(/disk.*(full|failing).*Free space, then try again/)
    expect(await cli.run(['migrate'])).toMatchObject({ code: 0 })
  },
)
