import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadSecretsKeys, requireSecretsKey } from '../../src/secrets-key.ts'
import { openSqlite } from '../../src/storage/sqlite.ts'
import { createVault, keyIdOf } from '../../src/vault.ts'
import { cliFolder } from '../support/cli.ts'

let cli: ReturnType<typeof cliFolder>
let dataDir: string
let file: string
beforeEach(() => {
  cli = cliFolder()
  dataDir = path.join(cli.dir, 'data')
  file = path.join(dataDir, 'secrets.key')
})
afterEach(() => cli.dispose())

const LISTENING = /^listening on/m
const inBase64 = (bytes: number) => randomBytes(bytes).toString('base64')
const load = (secretsKey: string | null = null) =>
  loadSecretsKeys({ secretsKey, secretsKeyOld: null, dataDir })[0]

describe('the secrets key', () => {
  it('is made once, for its owner alone', () => {
    const key = load()
    expect(key).toHaveLength(32)
    expect(load()).toEqual(key)
    expect(fs.statSync(file).mode & 0o777).toBe(0o600)
    expect(fs.statSync(dataDir).mode & 0o777).toBe(0o700)
    expect(fs.readdirSync(dataDir)).toEqual(['secrets.key'])
  })

  it('is the one of the settings where there is one, and then no file is made', () => {
    const given = inBase64(32)
    expect(load(given).toString('base64')).toBe(given)
    expect(fs.existsSync(file)).toBe(false)
  })

  it('may not be read by others, or have another length', () => {
    load()
    fs.chmodSync(file, 0o640)
    expect(() => load()).toThrow(`chmod 600 ${file}`)
    fs.chmodSync(file, 0o600)
    for (const text of ['', 'x', inBase64(31), inBase64(33)]) {
      fs.writeFileSync(file, text)
      expect(() => load()).toThrow('32 bytes in base64')
    }
  })

  it('of another gateway is refused by its id, and none is made beside sealed secrets', () => {
    const needed = randomBytes(32)
    const head = createVault(() => [needed])
      .seal('x', 'acc_1')
      .slice(0, 12)
    const require = (secretsKey: string | null) =>
      requireSecretsKey({ secretsKey, secretsKeyOld: null, dataDir }, [head, 'damaged'])
    expect(() => require(null)).toThrow(`sealed with the key ${keyIdOf(needed)}, but there is no ${file}`)
    expect(() => require(inBase64(32))).toThrow(keyIdOf(needed))
    expect(() => require(needed.toString('base64'))).not.toThrow()
    expect(fs.existsSync(file)).toBe(false)
  })
})

// Case 85 of the faults, as an operator meets it.
describe('a gateway', () => {
  it('makes the key when it serves, not when it migrates', async () => {
    expect(await cli.run(['migrate'])).toMatchObject({ code: 0 })
    expect(fs.existsSync(file)).toBe(false)
    await cli.start(['serve']).saw(LISTENING)
    expect(fs.statSync(file).mode & 0o777).toBe(0o600)
  })

  it('starts with the key that its secrets are sealed with, and with no other', async () => {
    const key = randomBytes(32)
    await storeSecret(createVault(() => [key]).seal('x', 'acc_1'))
    const refused = await cli.run(['serve'], { SECRETS_KEY: inBase64(32) })
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(keyIdOf(key)) })
    expect(refused.stderr).not.toMatch(/^\s+at /m)
    await cli.start(['serve'], { SECRETS_KEY: key.toString('base64') }).saw(LISTENING)
    expect(fs.existsSync(file)).toBe(false)
  })

  // Case 106 of the faults.
  it('works elsewhere from a backup with its key, and not without', async () => {
    const elsewhere = path.join(cli.dir, 'elsewhere')
    fs.mkdirSync(elsewhere)
    await storeSecret(createVault(() => [load()]).seal('x', 'acc_1'), path.join(elsewhere, 'gateway.db'))
    const refused = await cli.run(['worker'], { DATA_DIR: elsewhere })
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(keyIdOf(load())) })
    expect(fs.existsSync(path.join(elsewhere, 'secrets.key'))).toBe(false)
    fs.copyFileSync(file, path.join(elsewhere, 'secrets.key'))
    await cli.start(['worker'], { DATA_DIR: elsewhere }).saw(/^working on/m)
  })

  it('refuses a SECRETS_KEY that is none, without repeating it', async () => {
    const refused = await cli.run(['serve'], { SECRETS_KEY: 'canary' })
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('SECRETS_KEY: must be 32 bytes'),
    })
    expect(refused.stderr).not.toContain('canary')
  })
})

/** In a database of its own, which is copied to `backup` if that is given. */
async function storeSecret(secrets: string, backup?: string): Promise<void> {
  const database = openSqlite(path.join(dataDir, 'gateway.db'))
  await database.migrate()
  const now = new Date()
  const row = {
    id: 'acc_1',
    sandboxId: 'sbx_1',
    name: 'A',
    type: 'SFTP',
    settings: {},
    secrets,
    sharedWith: [],
    status: 'UNVERIFIED' as const,
    createdAt: now,
    updatedAt: now,
  }
  await database.batch([database.db.insert(database.tables.destinationAccounts).values(row)])
  if (backup) await database.backup(backup)
  await database.close()
}
