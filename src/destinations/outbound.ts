// The one way out of the gateway to addresses that users gave: every connection of every driver is made through it.
import type http from 'node:http'
import type https from 'node:https'
import type net from 'node:net'

export interface Outbound {
  /**
   * What is wrong with a host or an address (`https://…`) that somebody wants stored, as a sentence; null: nothing that
   * can be seen without asking. For the schemas of drivers.
   */
  refusalOf(hostOrUrl: string): string | null
  /**
   * A TCP connection to an address that was checked.
   * @throws DeliveryError REFUSED_ADDRESS for one that may not be reached, UNAVAILABLE where nobody answers
   */
  connect(target: { host: string; port: number; signal: AbortSignal }): Promise<net.Socket>
  /** For libraries that take agents: every connection is checked as by `connect`. */
  httpAgent: http.Agent
  httpsAgent: https.Agent
  /**
   * As the standard function, but that it reaches checked addresses alone and follows no redirect to another host.
   * @throws DeliveryError as `connect` does
   */
  fetch: typeof fetch
}
