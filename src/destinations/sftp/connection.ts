// One connection to a server: its host key is checked before anything is told to it, then the login, then SFTP. Whatever
// ends it ends every request that waits for an answer.
import type { Socket } from 'node:net'
import ssh2, { type SFTPWrapper } from 'ssh2'
import { DeliveryError } from '../driver.ts'
import type { Outbound } from '../outbound.ts'
import { authenticator } from './authenticator.ts'
import { statusOf, unavailable, wordsOf } from './errors.ts'
import { algorithmsToTry, type HostKey, hostKeyOf, otherHostKey } from './host-key.ts'
import { addressOf, type Login } from './login.ts'

export interface Connection {
  hostKey: HostKey
  /**
   * Sends a request and gives its answer; a refusal is thrown as the library made it.
   * @throws DeliveryError UNAVAILABLE once the connection is lost, or the signal's reason
   */
  ask<T>(request: (sftp: SFTPWrapper, answer: Answer<T>) => void): Promise<T>
  end(): void
}
export type Answer<T> = (error: Error | null | undefined, value: T) => void

/** In milliseconds. */
export interface Patience {
  /** From the connection to the end of the login. */
  login: number
  /** Without a byte from the server while something is asked for. Flushing a file of gigabytes takes its time. */
  idle: number
}
export const PATIENCE: Patience = { login: 20_000, idle: 120_000 }

export interface ConnectOptions {
  outbound: Outbound
  login: Login
  patience: Patience
  /** Ends the connection at once, also later. */
  signal: AbortSignal
}

const KEEP_ALIVE_MS = 15_000
const CIPHERS = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'aes128-ctr',
  'aes256-ctr',
  'chacha20-poly1305@openssh.com',
] as const
const MACS = [
  'hmac-sha2-256-etm@openssh.com',
  'hmac-sha2-512-etm@openssh.com',
  'hmac-sha2-256',
  'hmac-sha2-512',
] as const

/** @throws DeliveryError */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const { pin } = options.login
  let seen: HostKey | null = null
  for (const algorithms of algorithmsToTry(pin)) {
    try {
      return await open(options, algorithms)
    } catch (error) {
      if (!(error instanceof OtherHostKey)) throw error
      seen = error.seen ?? seen
      if (pin && seen?.type === pin.type) break
    }
  }
  throw otherHostKey(addressOf(options.login), pin, seen)
}

/** Not the key that was asked for, or none of its type. */
class OtherHostKey extends Error {
  readonly seen: HostKey | null
  constructor(seen: HostKey | null) {
    super('another host key')
    this.seen = seen
  }
}

async function open(options: ConnectOptions, algorithms: string[]): Promise<Connection> {
  const { outbound, login, patience, signal } = options
  const { host, port, pin } = login
  signal.throwIfAborted()
  const socket = await outbound.connect({ host, port, signal })
  socket.setNoDelay(true)
  socket.setKeepAlive(true, KEEP_ALIVE_MS)
  const client = new ssh2.Client()
  const life = lifeOf(socket, signal, patience.idle)
  const server = addressOf(login)
  const auth = authenticator(login, server)
  let hostKey: HostKey | null = null
  client.on('error', (error) => life.end(auth.refusal() ?? meaningOf(error, server, hostKey, pin !== null)))
  client.on('close', () => life.end(unavailable(`${server} closed the connection.`)))
  client.on('change password', () => life.end(auth.expired()))

  return life.within(patience.login, `${server} did not answer the login in time.`, (resolve) => {
    client.on('ready', () => {
      const opened = life.ask<SFTPWrapper>((answer) =>
        client.sftp((error, sftp) => {
          if (error) return life.end(noSftp(error, server))
          const lost = () => life.end(unavailable(`${server} closed the session.`))
          answer(null, sftp.on('close', lost).on('end', lost).on('error', lost))
        }),
      )
      opened.then(
        (sftp) => {
          const ask: Connection['ask'] = (request) => life.ask((answer) => request(sftp, answer))
          if (hostKey) resolve({ hostKey, ask, end: life.over })
        },
        life.end, // for whoever waits for the login
      )
    })
    client.connect({
      sock: socket,
      readyTimeout: 0, // ours covers the opening of SFTP, too
      username: login.username,
      authHandler: auth.handler,
      algorithms: { serverHostKey: algorithms as never[], cipher: [...CIPHERS], hmac: [...MACS] },
      hostVerifier: (blob: Buffer) => {
        hostKey = hostKeyOf(blob)
        return pin === null || hostKey.fingerprint === pin.fingerprint
      },
    })
  })
}

function meaningOf(
  error: Error & { level?: string },
  server: string,
  seen: HostKey | null,
  isPinned: boolean,
): Error {
  const message = wordsOf(error)
  if (/host key format/.test(message) || (isPinned && /host denied/i.test(message)))
    return new OtherHostKey(seen)
  if (error.level === 'handshake' && /no matching/.test(message)) {
    const refusal = `${server} speaks only algorithms that are no longer safe (${message}). Have it updated.`
    return new DeliveryError('BAD_SETTINGS', refusal, { retryable: false })
  }
  return unavailable(`The connection to ${server} failed: ${message}.`, error)
}

function noSftp(error: Error, server: string): DeliveryError {
  const message = `The login at ${server} works, but it offers this user no SFTP: ${wordsOf(error)}.`
  return new DeliveryError('BAD_SETTINGS', message, { retryable: false })
}

/** The one end of a connection, and what waits for it. */
function lifeOf(socket: Socket, signal: AbortSignal, idleMs: number) {
  const waiting = new Set<(reason: unknown) => void>()
  let over: { reason: unknown } | null = null
  const end = (reason: unknown) => {
    if (over) return
    over = { reason }
    clearInterval(watch)
    signal.removeEventListener('abort', abort)
    socket.destroy()
    for (const reject of waiting) reject(reason)
  }
  const abort = () => end(signal.reason)
  signal.addEventListener('abort', abort)

  let heard = { bytes: 0, at: performance.now() }
  const look = () => {
    const now = performance.now()
    if (waiting.size === 0 || socket.bytesRead !== heard.bytes) heard = { bytes: socket.bytesRead, at: now }
    else if (now - heard.at > idleMs) end(unavailable('The server has stopped answering.'))
  }
  const watch = setInterval(look, Math.min(1000, idleMs / 4)).unref()
  if (signal.aborted) abort() // since the connection was asked for

  const ask = <T>(request: (answer: Answer<T>) => void) =>
    new Promise<T>((resolve, reject) => {
      if (over) return reject(over.reason)
      waiting.add(reject)
      const answer: Answer<T> = (error, value) => {
        waiting.delete(reject)
        // Requests that the library gives up have no status; what ended the connection follows.
        if (error) reject(statusOf(error) === null ? (over?.reason ?? unavailable(wordsOf(error))) : error)
        else resolve(value)
      }
      try {
        request(answer)
      } catch (error) {
        answer(error as Error, undefined as never) // the library throws over a connection that has just ended
      }
    })
  return {
    end,
    over: () => end(unavailable('The connection is closed.')),
    ask,
    /** What `work` resolves; after so long the connection ends. */
    within<T>(ms: number, message: string, work: (resolve: (value: T) => void) => void): Promise<T> {
      const timer = setTimeout(() => end(unavailable(message)), ms)
      return ask<T>((answer) => work((value) => answer(null, value))).finally(() => clearTimeout(timer))
    },
  }
}
