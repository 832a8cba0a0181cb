import fs from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { cliFolder } from '../support/cli.ts'

let cli: ReturnType<typeof cliFolder>
beforeEach(() => {
  cli = cliFolder()
})
afterEach(() => cli.dispose())

const LISTENING = /^listening on (http:\/\/127\.0\.0\.1:(\d+))$/m

async function viewer(url: string, token: string): Promise<unknown> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ viewer { roles } }' }),
  })
  return response.json()
}

test('the first start prints a token that works, the second does not print it again', async () => {
  const first = cli.start(['serve'])
  const [, url = ''] = await first.saw(LISTENING)
  const [, token = ''] = await first.saw(/^ {2}(\S+)$/m)
  expect(await viewer(url, token)).toMatchObject({ data: { viewer: { roles: ['ADMIN'] } } })
  first.child.kill('SIGTERM')
  expect(await first.ended).toMatchObject({ code: 0 })

  const second = cli.start(['serve'])
  const [, again = ''] = await second.saw(LISTENING)
  expect(await viewer(again, token)).toMatchObject({ data: { viewer: { roles: ['ADMIN'] } } })
  second.child.kill('SIGINT')
  expect((await second.ended).stdout).not.toContain('token')
})

test('ADMIN_TOKEN is the token, and is printed nowhere', async () => {
  const ADMIN_TOKEN = 'a-token-of-the-operators-own-choice'
  const server = cli.start(['serve'], { ADMIN_TOKEN, LOG_LEVEL: 'debug' })
  const [, url = ''] = await server.saw(LISTENING)
  expect(await viewer(url, ADMIN_TOKEN)).toMatchObject({ data: { viewer: { roles: ['ADMIN'] } } })
  server.child.kill('SIGTERM')
  const { stdout, stderr } = await server.ended
  expect(stdout + stderr).not.toContain(ADMIN_TOKEN)
})

test('SIGTERM ends it in less than ten seconds, with an idle client connected', async () => {
  const server = cli.start(['serve'])
  const [, url = ''] = await server.saw(LISTENING)
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  await new Promise((resolve) => socket.addEventListener('open', resolve))
  const began = Date.now()
  server.child.kill('SIGTERM')
  expect(await server.ended).toMatchObject({ code: 0 })
  expect(Date.now() - began).toBeLessThan(10_000)
})

test('a port that is taken is told in a sentence, and the token is not lost', async () => {
  const first = cli.start(['serve'])
  const [, , port = ''] = await first.saw(LISTENING)
  const other = { PORT: port, DATA_DIR: `${cli.dir}/other` }
  const second = await cli.run(['serve'], other)
  expect(second.code).toBe(1)
  expect(second.stderr).toContain(`127.0.0.1:${port} is in use by another program`)
  expect(second.stderr).not.toMatch(/^\s+at /m)
  expect(second.stdout).toBe('')
  const third = cli.start(['serve'], { ...other, PORT: '0' })
  await third.saw(/^Administrator token/m)
})

test('an export folder that cannot be made is told in a sentence, and the token is not lost', async () => {
  const file = `${cli.dir}/file`
  fs.writeFileSync(file, '')
  const first = await cli.run(['serve'], { EXPORT_ROOT: `${file}/exports` })
  expect(first).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(file) })
  expect(first.stderr).not.toMatch(/^\s+at /m)
  await cli.start(['serve']).saw(/^Administrator token/m)
})

test('a worker that starts first makes no token that nobody sees', async () => {
  const worker = cli.start(['worker'])
  await worker.saw(/^working on file:/m)
  const server = cli.start(['serve'])
  await server.saw(/^Administrator token/m)
})

test('a worker runs beside a server on the same database, and both stop', async () => {
  const server = cli.start(['serve'])
  await server.saw(LISTENING)
  const worker = cli.start(['worker'])
  await worker.saw(/^working on file:/m)
  for (const { child, ended } of [worker, server]) {
    child.kill('SIGTERM')
    expect(await ended).toMatchObject({ code: 0 })
  }
})
