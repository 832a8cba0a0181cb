import http from 'node:http'
import https from 'node:https'
import net, { type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import tls, { type TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createOutbound, type Outbound } from '../../src/destinations/outbound.ts'
import { certificate } from '../support/certificate.ts'
import { type NameServer, nameServer } from '../support/name-server.ts'

let names: NameServer
let server: https.Server
let port: number
/** The names that clients asked for in their hellos. */
let greeted: unknown[]
let outbound: Outbound
const trusted = tls.getCACertificates('default')
beforeEach(async () => {
  names = await nameServer()
  for (const name of ['a.example.com', 'b.example.com', 'a.example.org'])
    names.answers.set(name, [['127.0.0.1']])
  greeted = []
  server = https.createServer(certificate, (_, response) => response.end('hello'))
  server.on('secureConnection', ({ servername }: TLSSocket) => greeted.push(servername))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
  tls.setDefaultCACertificates([...trusted, certificate.cert])
  outbound = createOutbound({ allow: ['127.0.0.1'], lookup: names.lookup })
})
afterEach(async () => {
  tls.setDefaultCACertificates(trusted)
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await names.close()
})

const ways: [string, (url: string) => Promise<string>][] = [
  ['fetch', async (url) => (await outbound.fetch(url)).text()],
  [
    'the agent',
    (url) =>
      new Promise((resolve, reject) => {
        https
          .get(url, { agent: outbound.httpsAgent }, (response) => resolve(text(response)))
          .on('error', reject)
      }),
  ],
]

describe.each(ways)('over TLS, %s', (_, get) => {
  it('asks for the name, though it connects to the address that was checked', async () => {
    expect(await get(`https://a.example.com:${port}/`)).toBe('hello')
    expect(await get(`https://127.0.0.1:${port}/`)).toBe('hello')
    expect(greeted).toEqual(['a.example.com', false])
  })

  it('uses a connection again, and never for another host', async () => {
    for (const host of ['a', 'a', 'b', 'a']) await get(`https://${host}.example.com:${port}/`)
    expect([...new Set(greeted)]).toEqual(['a.example.com', 'b.example.com'])
    expect(greeted.length).toBeLessThan(4)
  })

  it('does not take a certificate of somebody else', async () => {
    const error = await get(`https://a.example.org:${port}/`).catch((reason: Error) => reason)
    expect(error).toMatchObject({
      message: expect.stringContaining("a.example.org. is not in the cert's altnames"),
    })
  })

  it('does not take one that nobody trusted signed', async () => {
    tls.setDefaultCACertificates(trusted)
    await expect(get(`https://a.example.com:${port}/`)).rejects.toThrow(/self-signed certificate/)
  })
})

it('says why the other side cannot be trusted, which trying again does not change', async () => {
  await expect(outbound.fetch(`https://a.example.org:${port}/`)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    retryable: false,
    message: expect.stringMatching(
      /^a\.example\.org:\d+ cannot be trusted: .* \(ERR_TLS_CERT_ALTNAME_INVALID\)\.$/,
    ),
  })
})

describe('somebody who takes connections and says nothing', () => {
  const held: net.Socket[] = []
  const silent = net.createServer((socket) => void held.push(socket.resume().on('error', () => {})))
  beforeEach(async () => {
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const timeouts = { connectMs: 150, idleMs: 150 }
    outbound = createOutbound({ allow: ['http://127.0.0.1'], timeouts })
  })
  afterEach(() => new Promise<void>((resolve) => silent.close(() => resolve())))

  it.each(['http', 'https'])('is given up, over %s, and left', async (scheme) => {
    const url = `${scheme}://127.0.0.1:${(silent.address() as AddressInfo).port}/`
    const unavailable = { code: 'UNAVAILABLE', retryable: true }
    await expect(outbound.fetch(url)).rejects.toMatchObject(unavailable)
    const { httpAgent, httpsAgent } = outbound
    const asked = new Promise((_, reject) => {
      if (scheme === 'http') http.get(url, { agent: httpAgent }).on('error', reject)
      else https.get(url, { agent: httpsAgent }).on('error', reject)
    })
    await expect(asked).rejects.toMatchObject(unavailable)
    await expect.poll(() => held.filter((socket) => !socket.destroyed)).toEqual([])
    expect(held.splice(0)).toHaveLength(2)
  })
})
