import { TLS_FAILURE } from '../domain/errors.ts'
import { oneLine } from '../domain/text.ts'
import { DeliveryError } from './driver.ts'

const WORDS: Record<string, string> = {
  ECONNREFUSED: 'refuses the connection',
  ECONNRESET: 'cut the connection',
  EPIPE: 'cut the connection',
  UND_ERR_SOCKET: 'cut the connection',
  ENOTFOUND: 'is not known: the name leads nowhere',
  EAI_AGAIN: 'cannot be looked up: the name servers do not answer',
  EHOSTUNREACH: 'cannot be reached',
  ENETUNREACH: 'cannot be reached',
  EADDRNOTAVAIL: 'cannot be reached',
  ETIMEDOUT: 'does not answer',
  ESOCKETTIMEDOUT: 'does not answer',
  UND_ERR_CONNECT_TIMEOUT: 'does not answer',
  UND_ERR_HEADERS_TIMEOUT: 'does not answer',
  UND_ERR_BODY_TIMEOUT: 'does not answer',
}

/**
 * What a connection's error means to a delivery: UNAVAILABLE, tried again but for TLS that the other side gets wrong.
 * Null for what is no error of a connection.
 */
export function networkError(error: unknown, host: string): DeliveryError | null {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    if (cause instanceof DeliveryError) return cause
    const code = 'code' in cause ? String(cause.code) : ''
    const isTls = TLS_FAILURE.test(code)
    const words = isTls ? `cannot be trusted: ${oneLine(cause.message, 200)}` : WORDS[code]
    if (words) {
      return new DeliveryError('UNAVAILABLE', `${host} ${words} (${code}).`, {
        retryable: !isTls,
        cause: error,
      })
    }
  }
  return null
}

export const refusedAddress = (sentence: string) =>
  new DeliveryError('REFUSED_ADDRESS', sentence, { retryable: false })

export const noAnswer = (host: string, ms: number) =>
  new DeliveryError('UNAVAILABLE', `${host} does not answer within ${ms / 1000} s.`, { retryable: true })

export const cutConnection = (host: string) =>
  new DeliveryError('UNAVAILABLE', `${host} cut the connection.`, { retryable: true })
