import type { ErrorCode } from '../graphql/error-code.ts'
import type { Denial } from './auth.ts'
import { rateHeaders } from './rate-limit.ts'

/** What every answer carries: nothing of ours is cached, sniffed, framed or named to others. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
}

export interface Answer {
  status: number
  headers?: Record<string, string>
  /** Sent as JSON. */
  body?: unknown
  /** What is sent instead, where the answer is no JSON; its type is among the headers. */
  text?: string
}

/** An error in the shape of GraphQL, whatever the route. */
export function errorAnswer(status: number, code: ErrorCode, message: string): Answer {
  return { status, body: { errors: [{ message, extensions: { code } }] } }
}

export function denialAnswer({ status, code, message, retryAfterSeconds, rate }: Denial): Answer {
  const headers = rate ? rateHeaders(rate) : {}
  if (status === 401) headers['www-authenticate'] = 'Bearer'
  if (retryAfterSeconds) headers['retry-after'] = String(retryAfterSeconds)
  return { ...errorAnswer(status, code, message), headers }
}

export const unavailableAnswer: Answer = {
  ...errorAnswer(503, 'UNAVAILABLE', 'The gateway cannot serve this for now; try again later.'),
  headers: { 'retry-after': '5' },
}
