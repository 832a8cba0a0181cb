// A name is looked up once, everything it leads to is checked, and the connection goes to what was checked: a name
// server that answers differently the next time changes nothing.
import dns from 'node:dns/promises'
import { once } from 'node:events'
import net from 'node:net'
import { cutConnection, networkError, noAnswer, refusedAddress } from './outbound-error.ts'
import { parseHost } from './outbound-host.ts'
import type { OutboundRules } from './outbound-rules.ts'

export interface ConnectTarget {
  host: string
  port: number
  signal?: AbortSignal | undefined
}
/** What a name leads to. @throws Error with the code of a name server, e.g. ENOTFOUND */
export type Lookup = (name: string) => Promise<string[]>
export type Connect = (target: ConnectTarget, options?: { isPlain: boolean }) => Promise<net.Socket>

/** As the system does it, so that its hosts file counts. */
export const systemLookup: Lookup = async (name) =>
  (await dns.lookup(name, { all: true, order: 'verbatim' })).map(({ address }) => address)

/** Makes `connect` of Outbound, which knows plain HTTP too. */
export function checkedConnect(
  rules: OutboundRules,
  { lookup, timeoutMs }: { lookup: Lookup; timeoutMs: number },
): Connect {
  return async ({ host, port, signal }, { isPlain } = { isPlain: false }) => {
    const parsed = parseHost(host)
    if (!parsed || parsed.port !== null) throw refusedAddress(`${JSON.stringify(host)} is no host name.`)
    const { name } = parsed
    const check = (address: string | null) => {
      const refusal = rules.refusalOfConnection({ host: name, port, address, isPlain })
      if (refusal) throw refusedAddress(refusal)
    }
    check(net.isIP(name) ? name : null)
    const timeout = AbortSignal.timeout(timeoutMs)
    const deadline = signal ? AbortSignal.any([signal, timeout]) : timeout
    try {
      const addresses = net.isIP(name) ? [name] : await before(deadline, lookup(name))
      for (const address of addresses) check(address)
      const socket = await opened(name, port, addresses, deadline)
      try {
        if (socket.remoteAddress === undefined) throw cutConnection(name) // gone already
        check(socket.remoteAddress)
      } catch (error) {
        socket.destroy()
        throw error
      }
      return socket
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      if (timeout.aborted) throw noAnswer(name, timeoutMs)
      throw networkError(error, name) ?? error
    }
  }
}

async function opened(
  host: string,
  port: number,
  addresses: string[],
  signal: AbortSignal,
): Promise<net.Socket> {
  const answers = addresses.map((address) => ({ address, family: net.isIP(address) }))
  // Never the system's: the addresses are those that were checked. All of them, whatever is asked for.
  const lookup: net.LookupFunction = (_name, _options, callback) => callback(null, answers)
  const socket = net.connect({ host, port, lookup, autoSelectFamily: true, noDelay: true, keepAlive: true })
  try {
    await once(socket, 'connect', { signal })
    return socket
  } catch (error) {
    socket.on('error', () => {}).destroy() // what else it has to say
    throw error
  }
}

/** The promise's result, or the abort, whichever comes first. */
async function before<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    signal.throwIfAborted()
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
    promise.catch(() => {}) // nobody waits for it any more
  }
}
