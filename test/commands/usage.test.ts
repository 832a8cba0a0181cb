import { afterAll, expect, test } from 'vitest'
import { cliFolder } from '../support/cli.ts'

const cli = cliFolder()
afterAll(() => cli.dispose())

const COMMANDS = ['serve', 'worker', 'import', 'activate', 'watch', 'migrate', 'backup', 'copy', 'demo']
const CALLS = [
  ...COMMANDS,
  'token create',
  'token list',
  'token revoke',
  'secrets rotate',
  'audit verify',
].map((call) => call.split(' '))

test.each(CALLS.map((call) => [call.join(' '), call]))('%s --help shows examples', async (name, call) => {
  // Not even broken settings keep --help from helping.
  const { code, stdout, stderr } = await cli.run([...call, '--help'], { PORT: 'none' })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/^Usage: activation-gateway/)
  expect(stdout).toContain(`npm run gateway -- ${name}`)
})

test.each([
  ['an unknown command', ['fly'], /unknown command 'fly'/],
  ['an unknown option', ['serve', '--fast'], /unknown option '--fast'/],
  ['a missing argument', ['watch'], /missing required argument 'run'/],
  ['a missing option', ['import', 'x.csv'], /required option '--key <column>'/],
  [
    'an unknown role',
    ['token', 'create', '--name', 'x', '--role', 'BOSS'],
    /ADMIN, OPERATOR, VIEWER, PARTNER/,
  ],
  ['no date', ['token', 'create', '--name', 'x', '--role', 'ADMIN', '--expires', 'soon'], /2027-01-01/],
  [
    'a day that does not exist',
    ['token', 'create', '--name', 'x', '--role', 'ADMIN', '--expires', '2999-02-30'],
    /a date that exists/,
  ],
  ['no token', ['watch', 'run_1'], /GATEWAY_TOKEN/],
])('%s exits 2 and says so on stderr', async (_, args, message) => {
  const { code, stdout, stderr } = await cli.run(args)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toMatch(message)
})

test('settings that cannot be used exit 2, all of them named', async () => {
  const { code, stderr } = await cli.run(['migrate'], { PORT: 'x', WORKERS: 'many' })
  expect(code).toBe(2)
  expect(stderr).toContain('PORT: must be a whole number')
  expect(stderr).toContain('WORKERS: must be a whole number')
})

test('a PostgreSQL that is not there is told in a sentence', async () => {
  const { code, stderr } = await cli.run(['migrate'], { DATABASE_URL: 'postgres://127.0.0.1:9/gateway' })
  expect(code).toBe(1)
  expect(stderr).toContain('The database cannot be reached')
})

test('a gateway that is not there is told in a sentence', async () => {
  const { code, stderr } = await cli.run(['watch', 'run_1', '--url', 'http://127.0.0.1:9', '--token', 'x'])
  expect(code).toBe(1)
  expect(stderr).toContain('No gateway answers at http://127.0.0.1:9')
})
