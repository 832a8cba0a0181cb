// The key that the gateway seals secrets with: SECRETS_KEY, or a file that only its owner may read.
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import type { Config } from './config.ts'
import { KEY_BYTES, keyIdOf, sealedWith } from './vault.ts'

type KeyConfig = Pick<Config, 'secretsKey' | 'dataDir'>
const fileOf = ({ dataDir }: KeyConfig): string => path.join(dataDir, 'secrets.key')

/**
 * SECRETS_KEY, or the key in DATA_DIR/secrets.key, which is made when there is none.
 * @throws Error with a sentence that says what to do when the file cannot be used
 */
export function loadSecretsKey(config: KeyConfig): Buffer {
  return readSecretsKey(config) ?? makeSecretsKey(config)
}

/**
 * Refuses a key that opens nothing of what is stored, before anything is sealed with it.
 * @param heads how the stored secrets begin
 * @throws Error naming the key that is needed
 */
export function requireSecretsKey(config: KeyConfig, heads: string[]): void {
  const needed = new Set(heads.flatMap((head) => sealedWith(head) ?? []))
  if (needed.size === 0) return
  const key = readSecretsKey(config)
  if (key && needed.has(keyIdOf(key))) return
  const file = fileOf(config)
  const found = key
    ? `${config.secretsKey ? 'SECRETS_KEY' : file} holds the key ${keyIdOf(key)}.`
    : `there is no ${file}, and SECRETS_KEY is not set.`
  throw new Error(
    `The stored secrets are sealed with the key ${[...needed].join(', ')}, but ${found} Put that key into SECRETS_KEY or ${file}; both hold 32 bytes in base64.`,
  )
}

function readSecretsKey(config: KeyConfig): Buffer | null {
  if (config.secretsKey !== null) return Buffer.from(config.secretsKey, 'base64')
  const file = fileOf(config)
  if (!fs.existsSync(file)) return null
  const open = fs.openSync(file, 'r')
  try {
    if ((fs.fstatSync(open).mode & 0o077) !== 0) {
      throw new Error(`${file} may be read by others. Run «chmod 600 ${file}», then start again.`)
    }
    const key = Buffer.from(fs.readFileSync(open, 'utf8').trim(), 'base64')
    if (key.length === KEY_BYTES) return key
    throw new Error(
      `${file} does not hold ${KEY_BYTES} bytes in base64. Restore it from a backup; without it, sealed secrets are lost.`,
    )
  } finally {
    fs.closeSync(open)
  }
}

/** Appears whole or not at all, and once: of two processes that start together, both get the same key. */
function makeSecretsKey(config: KeyConfig): Buffer {
  const file = fileOf(config)
  fs.mkdirSync(config.dataDir, { recursive: true, mode: 0o700 })
  const own = `${file}.${process.pid}`
  try {
    const key = `${randomBytes(KEY_BYTES).toString('base64')}\n`
    fs.writeFileSync(own, key, { flag: 'wx', mode: 0o600, flush: true })
    fs.linkSync(own, file)
  } catch (error) {
    if (!fs.existsSync(file)) throw error
  } finally {
    fs.rmSync(own, { force: true })
  }
  const key = readSecretsKey(config)
  if (!key) throw new Error(`${file} was removed while the gateway started. Start again.`)
  return key
}
