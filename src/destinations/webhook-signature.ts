// The signature of Standard Webhooks 1.0.0, symmetric: HMAC-SHA256 over id, moment and body.
import { createHmac, randomBytes } from 'node:crypto'

const PREFIX = 'whsec_'
const [MIN_BYTES, MAX_BYTES] = [24, 64]

/** Whether a text is a signing secret as the scheme writes it: 24 to 64 bytes in base64 after `whsec_`. */
export function isSigningSecret(text: string): boolean {
  if (!text.startsWith(PREFIX)) return false
  const key = keyOf(text)
  const isWhole = key.toString('base64') === text.slice(PREFIX.length)
  return isWhole && key.length >= MIN_BYTES && key.length <= MAX_BYTES
}

/** A new one. */
export const newSigningSecret = (): string => PREFIX + randomBytes(32).toString('base64')

/** The headers of a message, signed with each of the secrets, so that its receiver can change from one to the next. */
export function signedHeaders(
  message: { id: string; body: string; at: Date },
  secrets: readonly string[],
): Record<string, string> {
  const timestamp = Math.floor(message.at.getTime() / 1000)
  const content = `${message.id}.${timestamp}.${message.body}`
  const signatures = secrets.map(
    (secret) => `v1,${createHmac('sha256', keyOf(secret)).update(content).digest('base64')}`,
  )
  return {
    'webhook-id': message.id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatures.join(' '),
  }
}

const keyOf = (secret: string) => Buffer.from(secret.slice(PREFIX.length), 'base64')
