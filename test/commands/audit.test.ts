// What the command line and the import leave in the audit log, and how an operator checks it.
import fs from 'node:fs'
import path from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { afterAll, expect, it } from 'vitest'
import { testGateway } from '../support/api.ts'
import { cliFolder } from '../support/cli.ts'

const cli = cliFolder()
afterAll(() => cli.dispose())

it('commands that change something leave lines, and a line that was changed later shows', async () => {
  const csv = path.join(cli.dir, 'people.csv')
  fs.writeFileSync(csv, 'id,email\n1,canary@example.org\n')
  await cli.run(['migrate'])
  await cli.run(['import', csv, '--key', 'id'])
  const { stdout } = await cli.run(['token', 'create', '--name', 'T', '--role', 'VIEWER', '--json'])
  const { id, secret } = JSON.parse(stdout)
  await cli.run(['token', 'revoke', id])
  await cli.run(['token', 'revoke', 'tok_x'])
  await cli.run(['secrets', 'rotate'])
  const verified = await cli.run(['audit', 'verify'])
  expect(verified).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^8 lines hold together; the newest is 8 \w{64}/),
  })
  const database = new BetterSqlite(path.join(cli.dir, 'data/gateway.db'))
  const lines = database
    .prepare('select operation, outcome, target_id, after, token_name from audit_log order by seq')
    .all()
  expect(lines).toMatchObject([
    { operation: 'cli migrate', outcome: 'DONE', token_name: expect.stringMatching(/^command line, ./) },
    { operation: 'cli import', outcome: 'STARTED', target_id: 'id' },
    { operation: 'cli import', outcome: 'DONE', after: '{"inserted":1,"updated":0,"rejected":0}' },
    { operation: 'cli token create', outcome: 'DONE', target_id: id },
    { operation: 'cli token revoke', outcome: 'DONE', target_id: id },
    { operation: 'cli token revoke', outcome: 'REFUSED' },
    { operation: 'cli secrets rotate', outcome: 'STARTED' },
    { operation: 'cli secrets rotate', outcome: 'DONE', after: expect.stringContaining('"accounts":0') },
  ])
  for (const canary of [secret, 'canary@']) expect(JSON.stringify(lines)).not.toContain(canary)
  database.prepare("update audit_log set token_name = 'somebody else' where seq = 4").run()
  database.close()
  const broken = await cli.run(['audit', 'verify'])
  expect(broken).toMatchObject({ code: 1, stderr: expect.stringContaining('line 4 was changed') })
}, 60_000)

it('an import over HTTP leaves a line before and after, and one when it is refused', async () => {
  const gateway = await testGateway()
  const url = await gateway.serve()
  const post = async (token: string) => {
    const headers = { 'content-type': 'text/csv', authorization: `Bearer ${token}` }
    const response = await fetch(`${url}/import?key=id`, {
      method: 'POST',
      headers,
      body: 'id,a\n1,x\n2,y\n',
    })
    return response.status
  }
  expect(await post(gateway.admin)).toBe(200)
  expect(await post(await gateway.token(['VIEWER']))).toBe(403)
  const { auditLog } = await gateway.data(
    '{ auditLog { nodes { operation outcome after codes tokenName } } }',
  )
  const said = { operation: 'POST /import' }
  expect(auditLog.nodes).toEqual([
    { ...said, outcome: 'REFUSED', after: null, codes: ['FORBIDDEN'], tokenName: 'VIEWER' },
    {
      ...said,
      outcome: 'DONE',
      after: { inserted: 2, updated: 0, rejected: 0 },
      codes: [],
      tokenName: 'admin',
    },
    { ...said, outcome: 'STARTED', after: null, codes: [], tokenName: 'admin' },
  ])
  await gateway.dispose()
})
