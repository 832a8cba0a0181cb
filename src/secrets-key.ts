// The keys that the gateway seals secrets with: those of the settings, or a file that only its owner may read. There are
// two while they are rotated, the newest first.
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import type { Config } from './config.ts'
import { KEY_BYTES, type Keys, keyIdOf, sealedWith } from './vault.ts'

export type KeyConfig = Pick<Config, 'secretsKey' | 'secretsKeyOld' | 'dataDir'>
const fileOf = ({ dataDir }: KeyConfig): string => path.join(dataDir, 'secrets.key')

/**
 * SECRETS_KEY and SECRETS_KEY_OLD, or what is in DATA_DIR/secrets.key, which is made when there is none.
 * @throws Error with a sentence that says what to do when the file cannot be used
 */
export function loadSecretsKeys(config: KeyConfig): Keys {
  return readSecretsKeys(config) ?? makeSecretsKey(config)
}

/**
 * Refuses keys that open nothing of what is stored, before anything is sealed with them.
 * @param heads how the stored secrets begin
 * @throws Error naming the key that is needed
 */
export function requireSecretsKey(config: KeyConfig, heads: string[]): void {
  const needed = new Set(heads.flatMap((head) => sealedWith(head) ?? []))
  if (needed.size === 0) return
  const keys = readSecretsKeys(config) ?? []
  if (keys.some((key) => needed.has(keyIdOf(key)))) return
  const file = fileOf(config)
  const found =
    keys.length > 0
      ? `${config.secretsKey ? 'SECRETS_KEY' : file} holds the key ${keys.map(keyIdOf).join(' and ')}.`
      : `there is no ${file}, and SECRETS_KEY is not set.`
  throw new Error(
    `The stored secrets are sealed with the key ${[...needed].join(', ')}, but ${found} Put that key into SECRETS_KEY or ${file}; both hold 32 bytes in base64.`,
  )
}

/**
 * Puts a new key before the one in the file, and keeps that one, to open what it has sealed. Where there are two
 * already, a rotation was interrupted, and its key is the new one.
 */
export function addSecretsKey(config: KeyConfig): void {
  const keys = loadSecretsKeys(config)
  if (keys.length === 1) writeKeys(fileOf(config), [randomBytes(KEY_BYTES), ...keys])
}

/** Forgets all keys in the file but the newest: nothing may be sealed with them any more. */
export function forgetOldKeys(config: KeyConfig): void {
  const [newest] = loadSecretsKeys(config)
  writeKeys(fileOf(config), [newest])
}

function readSecretsKeys(config: KeyConfig): Keys | null {
  const { secretsKey, secretsKeyOld } = config
  const decoded = (text: string) => Buffer.from(text, 'base64')
  if (secretsKey !== null) {
    return [decoded(secretsKey), ...(secretsKeyOld === null ? [] : [decoded(secretsKeyOld)])]
  }
  const file = fileOf(config)
  if (!fs.existsSync(file)) return null
  const open = fs.openSync(file, 'r')
  try {
    if ((fs.fstatSync(open).mode & 0o077) !== 0) {
      throw new Error(`${file} may be read by others. Run «chmod 600 ${file}», then start again.`)
    }
    const [newest, ...old] = fs.readFileSync(open, 'utf8').trim().split('\n').map(decoded)
    if (newest && [newest, ...old].every((key) => key.length === KEY_BYTES)) return [newest, ...old]
    throw new Error(
      `${file} does not hold ${KEY_BYTES} bytes in base64. Restore it from a backup; without it, sealed secrets are lost.`,
    )
  } finally {
    fs.closeSync(open)
  }
}

/** Appears whole or not at all, and once: of two processes that start together, both get the same key. */
function makeSecretsKey(config: KeyConfig): Keys {
  const file = fileOf(config)
  fs.mkdirSync(config.dataDir, { recursive: true, mode: 0o700 })
  const own = `${file}.${process.pid}`
  try {
    fs.writeFileSync(own, textOf([randomBytes(KEY_BYTES)]), { flag: 'wx', mode: 0o600, flush: true })
    fs.linkSync(own, file)
  } catch (error) {
    if (!fs.existsSync(file)) throw error
  } finally {
    fs.rmSync(own, { force: true })
  }
  const keys = readSecretsKeys(config)
  if (!keys) throw new Error(`${file} was removed while the gateway started. Start again.`)
  return keys
}

/** In one step, and on the disk before anything is sealed with a new key, or cannot be opened without an old one. */
function writeKeys(file: string, keys: Keys): void {
  const next = `${file}.next`
  fs.rmSync(next, { force: true }) // of a rotation that was killed
  fs.writeFileSync(next, textOf(keys), { flag: 'wx', mode: 0o600, flush: true })
  fs.renameSync(next, file)
  const folder = fs.openSync(path.dirname(file), 'r')
  fs.fsyncSync(folder)
  fs.closeSync(folder)
}

const textOf = (keys: Keys): string => keys.map((key) => `${key.toString('base64')}\n`).join('')
