// `secrets rotate` as an operator has it: on a database with sealed secrets, with what may go wrong in the middle.
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { sealedHeads } from '../../src/storage/sealed.ts'
import { openSqlite } from '../../src/storage/sqlite.ts'
import { createVault, HEAD_LENGTH, type Keys, keyIdOf } from '../../src/vault.ts'
import { cliFolder } from '../support/cli.ts'

let cli: ReturnType<typeof cliFolder>
let dataDir: string
let file: string
const key = randomBytes(32)
beforeEach(() => {
  cli = cliFolder()
  dataDir = path.join(cli.dir, 'data')
  file = path.join(dataDir, 'secrets.key')
  fs.mkdirSync(dataDir)
  fs.writeFileSync(file, `${key.toString('base64')}\n`, { mode: 0o600 })
})
afterEach(() => cli.dispose())

const inBase64 = (bytes: Buffer) => bytes.toString('base64')
const secretOf = (id: string) => `canary of ${id}`
const idOf = (index: number) => `acc_${String(index).padStart(6, '0')}`
const keysInFile = () =>
  fs
    .readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => Buffer.from(line, 'base64')) as unknown as Keys

async function withDatabase<T>(work: (database: ReturnType<typeof openSqlite>) => Promise<T>): Promise<T> {
  const database = openSqlite(path.join(dataDir, 'gateway.db'))
  try {
    await database.migrate()
    return await work(database)
  } finally {
    await database.close()
  }
}

/** Accounts, a notification target and a signing key, sealed with the key of the file. */
const store = (accounts: number) =>
  withDatabase(async ({ db, tables, batch }) => {
    const vault = createVault(() => [key])
    const createdAt = new Date()
    const rows = Array.from({ length: accounts }, (_, index) => ({
      id: idOf(index),
      sandboxId: 'sbx_1',
      name: 'A',
      type: 'SFTP',
      settings: {},
      secrets: vault.seal(secretOf(idOf(index)), idOf(index)),
      sharedWith: [],
      status: 'CONNECTED' as const,
      createdAt,
      updatedAt: createdAt,
    }))
    for (let start = 0; start < rows.length; start += 500) {
      await batch([db.insert(tables.destinationAccounts).values(rows.slice(start, start + 500))])
    }
    const privateKey = vault.seal(secretOf('kid'), 'kid')
    const target = { id: 'ntf_1', sandboxId: 'sbx_1', name: 'Pager', url: 'https://example.com/', createdAt }
    const more = { events: [], dataflowIds: [], updatedAt: createdAt }
    await batch([
      db.insert(tables.signingKeys).values({ id: 'kid', publicKey: {}, privateKey, createdAt }),
      db
        .insert(tables.notificationTargets)
        .values({ ...target, ...more, secret: vault.seal(secretOf('ntf_1'), 'ntf_1') }),
    ])
  })

/** Opens everything with the keys, and gives how many accounts there are. */
const opened = (keys: Keys) =>
  withDatabase(async ({ db, tables }) => {
    const vault = createVault(() => keys)
    const accounts = await db.select().from(tables.destinationAccounts)
    const [signing] = await db.select().from(tables.signingKeys)
    const [target] = await db.select().from(tables.notificationTargets)
    expect(vault.open(target?.secret ?? '', 'ntf_1')).toBe(secretOf('ntf_1'))
    for (const { id, secrets } of accounts) expect(vault.open(secrets ?? '', id)).toBe(secretOf(id))
    expect(vault.open(signing?.privateKey ?? '', 'kid')).toBe(secretOf('kid'))
    return accounts.length
  })
const heads = () => withDatabase((database) => sealedHeads(database, HEAD_LENGTH))

it('seals all with a new key, which alone is left in the file, and a gateway starts with it', async () => {
  await store(250)
  const { code, stdout } = await cli.run(['secrets', 'rotate', '--json'])
  const [newest, ...old] = keysInFile()
  expect(old).toEqual([])
  expect(newest).not.toEqual(key)
  expect({ code, ...JSON.parse(stdout) }).toEqual({
    code: 0,
    key: keyIdOf(newest),
    accounts: 250,
    notificationTargets: 1,
    signingKeys: 1,
    unreadable: [],
  })
  expect(fs.statSync(file).mode & 0o777).toBe(0o600)
  expect(fs.readdirSync(dataDir).filter((name) => name.startsWith('secrets'))).toEqual(['secrets.key'])
  expect(await opened([newest])).toBe(250)
  expect(stdout).not.toContain(inBase64(newest))
  await cli.start(['worker']).saw(/^working on/m)
})

it('goes on where it was killed, and what it left behind works meanwhile', async () => {
  await store(20_000)
  const killed = cli.start(['secrets', 'rotate'])
  await expect.poll(heads, { timeout: 20_000, interval: 5 }).toHaveLength(2)
  killed.child.kill('SIGKILL')
  await killed.ended
  const [newest, ...old] = keysInFile()
  expect(old).toEqual([key])
  expect(await heads()).toHaveLength(2)
  expect(await opened([newest, key])).toBe(20_000)

  const gateway = cli.start(['worker'])
  await gateway.saw(/^working on/m)
  const refused = await cli.run(['secrets', 'rotate'])
  expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('Stop it') })
  gateway.child.kill('SIGTERM')
  await gateway.ended

  const { code, stdout } = await cli.run(['secrets', 'rotate', '--json'])
  expect(code).toBe(0)
  expect(JSON.parse(stdout).accounts).toBeLessThan(20_000)
  expect(keysInFile()).toEqual([newest])
  expect(await opened([newest])).toBe(20_000)
}, 60_000)

it('leaves one that is damaged as it is, and names it', async () => {
  await store(3)
  const damage = 'v1.00000000.damaged'
  await withDatabase(({ db, tables, batch }) =>
    batch([
      db
        .update(tables.destinationAccounts)
        .set({ secrets: damage })
        .where(eq(tables.destinationAccounts.id, idOf(1))),
    ]),
  )
  const { code, stdout, stderr } = await cli.run(['secrets', 'rotate'])
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: `sealed with the key ${keyIdOf(keysInFile()[0])}: 2 accounts, 1 notification targets, 1 signing keys\n`,
  })
  expect(stderr).toContain(`${idOf(1)} cannot be opened: what was sealed is damaged`)
  expect(keysInFile()).toHaveLength(1)
})

it('refuses the key of another gateway before it changes anything', async () => {
  await store(1)
  const other = randomBytes(32)
  fs.writeFileSync(file, `${inBase64(other)}\n`)
  const { code, stdout, stderr } = await cli.run(['secrets', 'rotate'])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain(`sealed with the key ${keyIdOf(key)}`)
  expect(keysInFile()).toEqual([other])
  expect(await opened([key])).toBe(1)
})

it('takes keys from the settings: the new one, and the one of before', async () => {
  await store(2)
  const SECRETS_KEY = inBase64(randomBytes(32))
  const alone = await cli.run(['secrets', 'rotate'], { SECRETS_KEY })
  expect(alone).toMatchObject({ code: 1, stderr: expect.stringContaining('SECRETS_KEY_OLD') })
  const both = { SECRETS_KEY, SECRETS_KEY_OLD: inBase64(key) }
  const gateway = cli.start(['worker'], both)
  await gateway.saw(/^working on/m)
  gateway.child.kill('SIGTERM')
  await gateway.ended
  expect(await cli.run(['secrets', 'rotate'], both)).toMatchObject({ code: 0 })
  expect(await opened([Buffer.from(SECRETS_KEY, 'base64')])).toBe(2)
  expect(keysInFile()).toEqual([key])

  const half = await cli.run(['migrate'], { SECRETS_KEY_OLD: SECRETS_KEY })
  expect(half).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('SECRETS_KEY_OLD: needs SECRETS_KEY'),
  })
})

it('makes no database', async () => {
  const { code, stderr } = await cli.run(['secrets', 'rotate'])
  expect(code).toBe(1)
  expect(stderr).toContain('There is no database at')
})
