// The one way out of the gateway to addresses that users gave: every connection of every driver is made through it.
import type http from 'node:http'
import type https from 'node:https'
import type net from 'node:net'
import { checkedConnect, type Lookup, systemLookup } from './outbound-connect.ts'
import { checkedFetch, checkedHttpAgent, checkedHttpsAgent, type HttpTimeouts } from './outbound-http.ts'
import { outboundRules } from './outbound-rules.ts'

export interface Outbound {
  /**
   * What is wrong with a host or an address (`https://…`) that somebody wants stored, as a sentence; null: nothing that
   * can be seen without asking. A host may have a port. For the schemas of drivers.
   */
  refusalOf(hostOrUrl: string): string | null
  /**
   * A TCP connection to an address that was checked.
   * @throws DeliveryError REFUSED_ADDRESS for one that may not be reached, UNAVAILABLE where nobody answers; the
   * signal's reason when it aborts
   */
  connect(target: { host: string; port: number; signal: AbortSignal }): Promise<net.Socket>
  /**
   * For libraries that take agents: every connection is checked as by `connect`, whose errors the requests get. A
   * connection on which nothing moves for a minute is given up.
   */
  httpAgent: http.Agent
  httpsAgent: https.Agent
  /**
   * As the standard function, but that it reaches checked addresses alone and follows no redirect to another host.
   * Each body is the caller's to bound.
   * @throws DeliveryError as `connect` does, UNAVAILABLE when the connection is lost before the answer
   */
  fetch: typeof fetch
}

/**
 * @param options.allow entries of OUTBOUND_ALLOW: what may be reached besides the public internet
 * @param options.lookup in place of the system's
 * @param options.timeouts in milliseconds
 * @throws Error for a wrong entry
 */
export function createOutbound(options: {
  allow: readonly string[]
  lookup?: Lookup
  timeouts?: Partial<HttpTimeouts>
}): Outbound {
  const { lookup = systemLookup } = options
  const timeouts = { connectMs: 10_000, idleMs: 60_000, ...options.timeouts }
  const rules = outboundRules(options.allow)
  const connect = checkedConnect(rules, { lookup, timeoutMs: timeouts.connectMs })
  return {
    refusalOf: rules.refusalOf,
    connect: (target) => connect(target),
    httpAgent: checkedHttpAgent(connect, timeouts),
    httpsAgent: checkedHttpsAgent(connect, timeouts),
    fetch: checkedFetch(rules, connect, timeouts),
  }
}
