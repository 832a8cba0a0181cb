// The whole way of an account, from its secrets to the files that arrive where they open the door.
import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runWorker } from '../../src/engine/worker.ts'
import { createLogger } from '../../src/logger.ts'
import { type TestGateway, type Tree, testGateway } from '../support/api.ts'
import { runRow, untilEnded } from '../support/export-scene.ts'
import { type HttpStore, httpStore, httpStoreDriver } from '../support/http-store.ts'
import { addProfiles, evaluate } from '../support/segments.ts'

/** With what JSON and addresses write differently. */
const PASSWORD = 'canary "7f3a" /ü'
const WRONG = 'canary-of-yesterday'
/** What every secret begins with: as it is, in base64, and in base64 behind the user's name. */
const FORMS = ['canary', 'Y2FuYXJ5', 'b3BzOmNhbmFye']

let gateway: TestGateway
let store: HttpStore
let worker: ReturnType<typeof runWorker>
let said: string[]
beforeEach(async () => {
  said = []
  const log = createLogger({ logLevel: 'trace' }, { write: (line) => said.push(line) })
  const drivers = [httpStoreDriver]
  gateway = await testGateway({ drivers, log, guardrails: { minSecondsBetweenMappingAndAdHoc: 0 } })
  store = await httpStore('ops', PASSWORD)
  const { database, ctx } = gateway.test
  await database.life.register('proc')
  const parts = { database, drivers: gateway.parts.drivers, vault: ctx.vault, clock: ctx.clock }
  worker = runWorker({ ...parts, log, processId: 'proc', concurrency: 2 })
  worker.start()
})
afterEach(async () => {
  await worker.stop()
  await store.close()
  await gateway.dispose()
})

const ERRORS =
  'errors { __typename code message path ... on DestinationRefusedError { detail } ... on ConflictError { node { id } } }'
const ACCOUNT = `destinationAccount { id name type { name } settings sharedWith status lastVerifiedAt lastError
  consent { agreedBy agreedAt } destinations { nodes { id } } }`

/** Calls a mutation with one argument; every answer is kept, to be searched for secrets. */
async function call(mutation: string, input: object | string, options?: { token?: string }): Promise<Tree> {
  const isId = typeof input === 'string'
  const type = isId ? 'ID!' : `${mutation[0]?.toUpperCase()}${mutation.slice(1)}Input!`
  const fields = /Account/.test(mutation) ? ACCOUNT : FIELDS[mutation]
  const document = `mutation ($of: ${type}) { done: ${mutation}(${isId ? 'id' : 'input'}: $of) { ${fields} ${mutation === 'activate' ? 'errors { code message }' : ERRORS} } }`
  const answer = await gateway.ask(document, { of: input }, options)
  said.push(JSON.stringify(answer))
  return answer.errors ? { top: answer.errors } : answer.data.done
}
const FIELDS: Record<string, string> = {
  createDestination: 'destination { id account { id name } }',
  removeDestination: 'destination { id }',
  createDataflow: 'dataflow { id }',
  enableDataflow: 'dataflow { id }',
  activate: 'activation { orders { run { id } } }',
}
const codes = ({ errors }: Tree) => errors.map((error: Tree) => error.code)
const accountInput = (password: string) => ({
  name: 'Ops',
  type: 'HTTP_STORE',
  settings: { url: store.url, user: 'ops' },
  secrets: { password },
  agreeToDataTransfer: true,
})
async function aVerifiedAccount(name = 'Ops'): Promise<string> {
  const made = await call('createDestinationAccount', {
    ...accountInput(PASSWORD),
    name,
    sharedWith: ['OPERATOR'],
  })
  const { id } = made.destinationAccount
  expect((await call('verifyDestinationAccount', id)).errors).toEqual([])
  return id
}
/** A destination on the account, with a dataflow that is ready to be activated. */
async function aDataflow(
  accountId: string,
  { token, ...more }: { token?: string; fileFormat?: object } = {},
) {
  const destination = { name: 'Files', type: 'HTTP_STORE', accountId, settings: { folder: 'in' } }
  const made = await call('createDestination', destination, token ? { token } : {})
  expect(made).toMatchObject({ errors: [], destination: { account: { id: accountId } } })
  const segmentId = await aSegment()
  const flow = await call('createDataflow', {
    name: 'Newsletter',
    destinationId: made.destination.id,
    fields: [{ source: 'email', target: 'EMAIL' }],
    segments: [{ segmentId, schedule: { frequency: 'DAILY', startDate: today() } }],
    ...more,
  })
  expect(flow.errors).toEqual([])
  return { destinationId: made.destination.id, dataflowId: flow.dataflow.id, segmentIds: [segmentId] }
}
async function aSegment(): Promise<string> {
  await addProfiles(gateway.test, [{ email: 'a@x.org' }, { email: 'b@x.org' }])
  const rule = { attribute: { path: 'email', operator: 'EXISTS' } }
  const { createSegment } = await gateway.data(
    'mutation ($rule: SegmentRuleInput!) { createSegment(input: { name: "All", rule: $rule }) { segment { id } } }',
    { rule },
  )
  await evaluate(gateway.test, [createSegment.segment.id])
  return createSegment.segment.id
}
const today = () => new Date().toISOString().slice(0, 10)
const activate = ({ dataflowId, segmentIds }: { dataflowId: string; segmentIds: string[] }) =>
  call('activate', { activations: [{ dataflowId, segmentIds }] })
async function delivered(flow: { dataflowId: string; segmentIds: string[] }) {
  const { activation, errors } = await activate(flow)
  expect(errors).toEqual([])
  const runId = activation.orders[0].run.id
  const events = await untilEnded(gateway.test, runId)
  return { run: await runRow(gateway.test, runId), last: events.at(-1) }
}
const arrived = () => [...store.files].filter(([name]) => name.endsWith('.csv'))

describe('an account', () => {
  // Case 84 of the faults.
  it('lets files arrive, from its first wrong password to its end, and its secrets are nowhere', async () => {
    const made = await call('createDestinationAccount', accountInput(WRONG))
    const { id } = made.destinationAccount
    expect(made.destinationAccount).toMatchObject({
      status: 'UNVERIFIED',
      settings: { url: store.url, user: 'ops' },
      sharedWith: [],
      consent: { agreedBy: expect.any(String), agreedAt: expect.stringContaining(today()) },
      lastVerifiedAt: null,
      lastError: null,
    })

    const refused = await call('verifyDestinationAccount', id)
    const words = 'The server answered 401: ops may not come in with the password [secret]'
    expect(refused).toMatchObject({
      destinationAccount: null,
      errors: [{ __typename: 'DestinationRefusedError', code: 'DESTINATION_REFUSED', detail: words }],
    })
    const { destinationAccount } = await gateway.data(
      `query ($id: ID!) { destinationAccount(id: $id) { status lastError lastVerifiedAt } }`,
      { id },
    )
    expect(destinationAccount).toEqual({
      status: 'FAILED',
      lastError: words,
      lastVerifiedAt: expect.stringContaining(today()),
    })
    const folder = { name: 'Files', type: 'HTTP_STORE', accountId: id, settings: { folder: 'in' } }
    expect(codes(await call('createDestination', folder))).toEqual(['CONFLICT'])

    const updated = await call('updateDestinationAccount', { id, secrets: { password: PASSWORD } })
    expect(updated.destinationAccount).toMatchObject({ status: 'UNVERIFIED', lastError: null })
    const verified = await call('verifyDestinationAccount', id)
    expect(verified.destinationAccount).toMatchObject({ status: 'CONNECTED', lastError: null })

    const operator = { token: await gateway.token(['OPERATOR']) }
    const notShared = await call('createDestination', folder, operator)
    expect(notShared.top).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
    const shared = await call('updateDestinationAccount', { id, sharedWith: ['OPERATOR'] })
    expect(shared.destinationAccount).toMatchObject({ status: 'CONNECTED', sharedWith: ['OPERATOR'] })
    const flow = await aDataflow(id, operator)

    expect((await delivered(flow)).run.status).toBe('SUCCESS')
    expect(arrived().map(([, content]) => `${content}`)).toEqual(['EMAIL\r\na@x.org\r\nb@x.org\r\n'])
    expect((await call('removeDestinationAccount', id)).destinationAccount).toMatchObject({
      status: 'REMOVED',
    })
    await expectNoSecrets()
  })

  it('that is removed stops a run in the middle, and leaves nothing there', async () => {
    const accountId = await aVerifiedAccount()
    const flow = await aDataflow(accountId, { fileFormat: { maxRowsPerFile: 1 } })
    const second = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    store.beforePut = async (count) => {
      if (count < 2) return
      second.resolve()
      await goOn.promise
    }
    const { activation } = await activate(flow)
    const runId = activation.orders[0].run.id
    await second.promise
    expect([...store.files.keys()].filter((name) => name.includes(runId))).toHaveLength(1)

    await call('removeDestinationAccount', accountId)
    goOn.resolve()
    const events = await untilEnded(gateway.test, runId)
    const why = 'The account "Ops" was removed.'
    expect(events.map(({ type, message }) => [type, message]).slice(-2)).toEqual([
      ['CANCELLING', why],
      ['CANCELLED', null],
    ])
    expect([...store.files.keys()]).toEqual([])
    const { errors } = await activate(flow)
    expect(codes({ errors })).toEqual(['DATAFLOW_DISABLED', 'DESTINATION_DISABLED', 'ACCOUNT_NOT_CONNECTED'])
    expect(codes(await call('enableDataflow', flow.dataflowId))).toEqual(['CONFLICT'])
  })

  // Case 79 of the faults: one attempt, and nothing repeats the password.
  it('keeps its secrets out of errors, of the log and of the run when the other side repeats them', async () => {
    const flow = await aDataflow(await aVerifiedAccount())
    store.password = 'changed over there'
    const { run, last } = await delivered(flow)
    expect(run).toMatchObject({ status: 'FAILED', attempt: 1, error: { code: 'REFUSED_LOGIN' } })
    expect(last?.message).toContain('with the password [secret]')
    expect(arrived()).toEqual([])
    await expectNoSecrets()
  })

  it('keeps them out of the answers to bad input', async () => {
    await aVerifiedAccount()
    const input = accountInput(PASSWORD)
    const bad = [
      { ...input, secrets: { password: 7, more: PASSWORD, and: { deeper: [WRONG] } } },
      { ...input, name: ' ', secrets: PASSWORD },
      { ...input, agreeToDataTransfer: 'yes' },
      { ...input, sharedWith: ['NOBODY'] },
      { ...input, name: undefined },
      { ...input, nam: 'Ops' },
      { ...input, name: { secrets: PASSWORD } },
      [input],
    ]
    for (const one of bad) {
      const { errors, top } = await call('createDestinationAccount', one)
      expect([...(errors ?? []), ...(top ?? [])].length).toBeGreaterThan(0)
    }
    const literal = `{ type: "HTTP_STORE", settings: {}, secrets: { password: "${WRONG}" }, agreeToDataTransfer: true`
    for (const argument of [`${literal} }`, `${literal}, nam: "Ops" }`, `"${WRONG}"`]) {
      const document = `mutation { createDestinationAccount(input: ${argument}) { errors { code } } }`
      const { errors } = await gateway.ask(document)
      expect(errors?.[0]?.message).toContain('Expected value of type "CreateDestinationAccountInput"')
      said.push(JSON.stringify(errors))
    }
    await expectNoSecrets()
  })

  // Cases 85 and 86 of the faults.
  it('whose secrets are damaged or were copied fails its own runs, and others go on', async () => {
    const flows = []
    for (const name of ['Damaged', 'Copied', 'Whole']) {
      const accountId = await aVerifiedAccount(name)
      flows.push({ accountId, ...(await aDataflow(accountId)) })
    }
    const [damaged, copied, whole] = flows
    const { db, tables } = gateway.test.database
    const { destinationAccounts: accounts } = tables
    const secretsOf = async (id = '') =>
      (await db.select().from(accounts).where(eq(accounts.id, id)))[0]?.secrets
    const set = (id = '', secrets: string) => db.update(accounts).set({ secrets }).where(eq(accounts.id, id))
    await set(damaged?.accountId, `${await secretsOf(damaged?.accountId)}`.slice(0, -8))
    await set(copied?.accountId, `${await secretsOf(whole?.accountId)}`)
    for (const flow of [damaged, copied]) {
      const { run } = await delivered(flow!)
      expect(run).toMatchObject({ status: 'FAILED', attempt: 1, error: { code: 'SECRETS_UNREADABLE' } })
    }
    expect((await delivered(whole!)).run.status).toBe('SUCCESS')
    expect(codes(await call('verifyDestinationAccount', damaged?.accountId ?? ''))).toEqual(['CONFLICT'])
  })

  it('stands in the way of an activation while it is not connected, or without consent', async () => {
    const accountId = await aVerifiedAccount()
    const flow = await aDataflow(accountId)
    await call('updateDestinationAccount', { id: accountId, secrets: { password: PASSWORD } })
    expect(codes(await activate(flow))).toEqual(['ACCOUNT_NOT_CONNECTED'])
    await call('verifyDestinationAccount', accountId)
    const { destinationAccounts } = gateway.test.database.tables
    await gateway.test.database.db.update(destinationAccounts).set({ consentBy: null, consentAt: null })
    expect(codes(await activate(flow))).toEqual(['CONSENT_MISSING'])
  })

  it.each(['OPERATOR', 'VIEWER', 'PARTNER'] as const)(
    'is no business of a token that is %s',
    async (role) => {
      const id = await aVerifiedAccount()
      const { destinationId } = await aDataflow(id)
      const token = await gateway.token([role], role === 'PARTNER' ? { destinationIds: [destinationId] } : {})
      for (const [mutation, input] of [
        ['createDestinationAccount', accountInput(PASSWORD)],
        ['updateDestinationAccount', { id, name: 'Mine' }],
        ['verifyDestinationAccount', id],
        ['removeDestinationAccount', id],
      ] as const) {
        const { top } = await call(mutation, input, { token })
        expect(top, mutation).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
      }
    },
  )
})

describe('a destination type with accounts', () => {
  it('says in accountSchema what goes in, and what never comes out', async () => {
    const { destinationTypes } = await gateway.data('{ destinationTypes { name accountSchema } }')
    const schemaOf = (name: string) => destinationTypes.find((type: Tree) => type.name === name).accountSchema
    expect(schemaOf('LOCAL_DIRECTORY')).toEqual({ type: 'object', additionalProperties: false })
    const { settings, secrets } = schemaOf('HTTP_STORE').properties
    expect(settings).toMatchObject({ required: ['url', 'user'], additionalProperties: false })
    expect(JSON.stringify(settings)).not.toContain('writeOnly')
    expect(secrets).toMatchObject({
      writeOnly: true,
      required: ['password'],
      properties: { password: { type: 'string', writeOnly: true } },
    })
  })
})

/** In no answer, no line of the log, no file that was sent, and no byte of the database. */
async function expectNoSecrets(): Promise<void> {
  const bytes = Buffer.concat([await gateway.test.stored(), ...store.files.values()])
  expect(bytes.includes('HTTP_STORE')).toBe(true)
  expect(said.join('')).toContain('"audit":true')
  for (const form of FORMS) {
    expect(said.filter((text) => text.includes(form))).toEqual([])
    expect(bytes.includes(form)).toBe(false)
  }
}
