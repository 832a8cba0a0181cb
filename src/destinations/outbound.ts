// The one way out of the gateway to addresses that users gave: every connection of every driver is made through it.
import http from 'node:http'
import https from 'node:https'
import type net from 'node:net'
import { checkedConnect, type Lookup } from './outbound-connect.ts'
import { agentOptions, checkedAgent, checkedFetch } from './outbound-http.ts'
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
 * @throws Error for a wrong entry
 */
export function createOutbound(options: {
  allow: readonly string[]
  lookup?: Lookup
  connectTimeoutMs?: number
}): Outbound {
  const rules = outboundRules(options.allow)
  const { lookup, connectTimeoutMs } = options
  const connect = checkedConnect(rules, {
    ...(lookup && { lookup }),
    ...(connectTimeoutMs && { timeoutMs: connectTimeoutMs }),
  })
  return {
    refusalOf: rules.refusalOf,
    connect: (target) => connect(target),
    httpAgent: checkedAgent(new http.Agent(agentOptions), connect),
    httpsAgent: checkedAgent(new https.Agent(agentOptions), connect),
    fetch: checkedFetch(rules, connect),
  }
}
