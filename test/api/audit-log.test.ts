import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { auditStore } from '../../src/storage/audit.ts'
import { type TestGateway, type Tree, testGateway } from '../support/api.ts'
import { httpStoreDriver } from '../support/http-store.ts'

const CANARY = 'canary-7f3a'
let gateway: TestGateway
let seen = 0
beforeAll(async () => {
  gateway = await testGateway({ drivers: [httpStoreDriver] })
})
afterAll(() => gateway.dispose())
const written = async () => auditStore(gateway.test.database).linesAfter(seen, 10_000)
beforeEach(async () => {
  seen = (await written()).at(-1)?.seq ?? seen
})
const entries = async (args = '', options = {}): Promise<Tree[]> => {
  const fields =
    'seq at tokenName operation clientOperation targetType targetId before after outcome codes requestId hash previousHash'
  return (await gateway.data(`{ auditLog${args} { nodes { ${fields} } } }`, {}, options)).auditLog.nodes
}
const RULE = `{ attribute: { path: "email", operator: EQUALS, value: "${CANARY}@example.org" } }`

it('says who did what to which object, and how it was before and after', async () => {
  const made = await gateway.data(
    `mutation Make { createSegment(input: { name: "First", rule: ${RULE} }) { segment { id } } }`,
  )
  const { id } = made.createSegment.segment
  await gateway.data(`mutation { updateSegment(input: { id: "${id}", name: "Second" }) { errors { code } } }`)
  await gateway.data(`mutation { deleteSegment(id: "${id}") { errors { code } } }`)
  const [deleted, updated, created] = await entries(`(filter: { targetId: "${id}" })`)
  const rule = { attribute: { path: 'email', operator: 'EQUALS', value: '…' } }
  expect(created).toMatchObject({
    tokenName: 'admin',
    operation: 'createSegment',
    clientOperation: 'Make',
    targetType: 'segment',
    before: null,
    after: { name: 'First', status: 'ACTIVE', rule },
    outcome: 'DONE',
    codes: [],
    requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
  })
  expect(updated).toMatchObject({ before: { name: 'First' }, after: { name: 'Second' } })
  expect(deleted).toMatchObject({ before: { name: 'Second', rule }, after: null })
  expect(updated.previousHash).toBe(created.hash)
  expect(JSON.stringify(await written())).not.toContain(CANARY)
})

it('has no secret, and says that one was replaced', async () => {
  const settings = 'settings: { url: "http://127.0.0.1", user: "ops" }'
  const { createDestinationAccount: made } = await gateway.data(
    `mutation { createDestinationAccount(input: { name: "A", type: "HTTP_STORE", ${settings}, secrets: { password: "${CANARY}" }, agreeToDataTransfer: true }) { destinationAccount { id } errors { message } } }`,
  )
  expect(made.errors).toEqual([])
  const { id } = made.destinationAccount
  await gateway.data(
    `mutation { updateDestinationAccount(input: { id: "${id}", secrets: { password: "${CANARY}2" } }) { errors { code } } }`,
  )
  const { createApiToken } = await gateway.data(
    'mutation { createApiToken(input: { name: "T", roles: [VIEWER] }) { apiToken { id } secret } }',
  )
  const lines = JSON.stringify(await written())
  for (const secret of [CANARY, createApiToken.secret]) expect(lines).not.toContain(secret)
  expect((await entries(`(filter: { targetId: "${id}" })`))[0]).toMatchObject({
    before: { secrets: '(sealed)' },
    after: { secrets: '(sealed)' },
  })
})

it('has refused mutations, with the codes and the object that was meant', async () => {
  const viewer = await gateway.token(['VIEWER'])
  await gateway.ask('mutation { cancelRun(id: "run_x") { errors { code } } }')
  await gateway.ask('mutation { deleteSegment(id: "seg_x") { errors { code } } }', {}, { token: viewer })
  await gateway.ask(`mutation { deleteSegment(id: "${'x'.repeat(5_000)}") { errors { code } } }`)
  expect((await entries('(filter: { outcomes: [REFUSED] })')).slice(0, 3)).toMatchObject([
    { operation: 'deleteSegment', targetId: null, codes: ['NOT_FOUND'] },
    { operation: 'deleteSegment', tokenName: 'VIEWER', targetId: 'seg_x', codes: ['FORBIDDEN'] },
    { operation: 'cancelRun', targetId: 'run_x', codes: ['NOT_FOUND'] },
  ])
})

it('is for administrators of the sandbox', async () => {
  for (const role of ['OPERATOR', 'VIEWER'] as const) {
    const token = await gateway.token([role])
    const { errors } = await gateway.ask('{ auditLog { totalCount } }', {}, { token })
    expect(errors?.[0]?.extensions.code).toBe('FORBIDDEN')
  }
  await gateway.data('mutation { createSandbox(input: { name: "dev", title: "D" }) { errors { code } } }')
  await gateway.data('mutation { deleteSegment(id: "seg_x") { errors { code } } }', {}, { sandbox: 'dev' })
  expect(await entries('', { sandbox: 'dev' })).toMatchObject([{ operation: 'deleteSegment' }])
})

it('pages, newest first, and filters', async () => {
  const page = await gateway.data(
    '{ auditLog(first: 2) { nodes { seq } pageInfo { endCursor } totalCount } }',
  )
  const { nodes, pageInfo, totalCount } = page.auditLog
  expect(nodes[0].seq).toBeGreaterThan(nodes[1].seq)
  const next = await entries(`(first: 1, after: "${pageInfo.endCursor}")`)
  expect(next[0].seq).toBeLessThan(nodes[1].seq)
  expect(totalCount).toBeGreaterThan(5)
  const only = await entries('(filter: { operations: ["createSandbox"] })')
  expect(only.map(({ operation }) => operation)).toEqual(['createSandbox'])
  expect(await entries('(filter: { before: "2000-01-01T00:00:00Z" })')).toEqual([])
})

it('the chain holds over all of that', async () => {
  expect(await gateway.parts.services.audit.verify()).toMatchObject({ broken: null })
})
