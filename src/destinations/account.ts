// What happens with an account's secrets between the database and a driver, whatever the driver.
import { inspect } from 'node:util'
import type { Vault } from '../domain/ports.ts'
import { DeliveryError, type OpenAccount } from './driver.ts'

interface StoredAccount {
  id: string
  name: string
  settings: Record<string, unknown>
  details: Record<string, unknown> | null
  /** Sealed; null once the account is removed. */
  secrets: string | null
}

/** The form of secrets that is stored. */
export function sealSecrets(vault: Vault, secrets: Record<string, unknown>, accountId: string): string {
  return vault.seal(JSON.stringify(secrets), accountId)
}

/** @throws DeliveryError SECRETS_UNREADABLE, saying what to do */
export function openAccount(vault: Vault, account: StoredAccount): OpenAccount {
  const { id, name, settings, details, secrets } = account
  try {
    if (secrets === null) throw new Error('none are stored')
    return { settings, details, secrets: JSON.parse(vault.open(secrets, id)) }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    const message = `The secrets of the account ${JSON.stringify(name)} cannot be opened: ${why}. Enter them again.`
    throw new DeliveryError('SECRETS_UNREADABLE', message, { retryable: false, cause })
  }
}

/** @throws DeliveryError SECRETS_UNREADABLE, saying what to do */
export function openSigningSecret(vault: Vault, { id, secret }: { id: string; secret: string }): string {
  try {
    return vault.open(secret, id)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    const message = `The signing secret cannot be opened: ${why}. Give the target another one.`
    throw new DeliveryError('SECRETS_UNREADABLE', message, { retryable: false, cause })
  }
}

/**
 * The error of a driver as it may be stored, logged and shown. Destinations repeat what they were sent, and libraries
 * put it into their errors: an error that holds a secret anywhere becomes one that has only the cleaned message.
 */
export function withoutSecrets(error: unknown, account: OpenAccount): unknown {
  const clean = secretsRemover(account)
  // As deep as the log goes.
  const all = inspect(error, { depth: 5, maxStringLength: null, breakLength: Infinity })
  if (clean(all) === all) return error
  const message = clean(error instanceof Error ? error.message : String(error))
  if (!(error instanceof DeliveryError)) return new Error(message)
  const { code, retryable, retryAfterMs } = error
  return new DeliveryError(code, message, { retryable, ...(retryAfterMs !== null && { retryAfterMs }) })
}

/** Takes the account's secrets out of a text that a destination gave. */
export function secretsRemover({ secrets }: OpenAccount): (text: string) => string {
  const words = [...textsOf(secrets)].sort((a, b) => b.length - a.length)
  return (text) => words.reduce((rest, word) => rest.replaceAll(word, '[secret]'), text)
}

/** Every text in it as it is, and as it looks in JSON, in an address, and in base64. */
function textsOf(value: unknown): Set<string> {
  if (typeof value === 'object' && value !== null) {
    return new Set(Object.values(value).flatMap((inner) => [...textsOf(inner)]))
  }
  if (typeof value !== 'string' || value === '') return new Set()
  const inJson = JSON.stringify(value).slice(1, -1)
  return new Set([value, inJson, encodeURIComponent(value), Buffer.from(value).toString('base64')])
}
