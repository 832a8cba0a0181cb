// Every driver that logs in somewhere goes there by checked connections alone, whatever the library that it stands on.
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createOutbound, type Outbound } from '../../src/destinations/outbound.ts'
import { driverRegistry } from '../../src/destinations/registry.ts'
import { type NameServer, nameServer } from '../support/name-server.ts'
import { toLoopback } from '../support/outbound.ts'
import { SECRET } from '../support/webhook-receiver.ts'

const KEY = Buffer.from('key').toString('base64')
const hostOf = (origin: string) => new URL(origin).hostname
const s3Keys = { accessKeyId: 'AKIDAKIDAKIDAKID', secretAccessKey: 'secret' }

interface Parts {
  settings: Record<string, unknown>
  secrets: Record<string, unknown>
}
/** An account of each type at an origin such as `http://127.0.0.1:9000`. */
const ACCOUNTS: Record<string, (origin: string) => Parts> = {
  GCS: (endpoint) => ({ settings: { endpoint }, secrets: s3Keys }),
  S3: (endpoint) => ({ settings: { region: 'eu-central-1', endpoint }, secrets: s3Keys }),
  SFTP: (origin) => ({
    settings: { host: hostOf(origin), port: Number(new URL(origin).port || 22), username: 'ops' },
    secrets: { password: 'secret' },
  }),
  AZURE_BLOB: (origin) => ({
    settings: {},
    secrets: {
      connectionString: `DefaultEndpointsProtocol=${origin.split(':')[0]};AccountName=acme;AccountKey=${KEY};BlobEndpoint=${origin}${hostOf(origin).startsWith('acme.') ? '' : '/acme'};`,
    },
  }),
  ACTIVECAMPAIGN: (origin) => ({ settings: { hostname: origin.split('//')[1] }, secrets: { apiKey: 'key' } }),
  WEBHOOK: (origin) => ({ settings: { url: `${origin}/hook` }, secrets: { secret: SECRET } }),
}

const driversWith = (outbound: Outbound) =>
  driverRegistry({ exportRoot: '/nowhere', outbound })
    .list()
    .filter(({ account }) => account !== null)

it('all drivers whose address users give are in this table', () => {
  const types = driversWith(toLoopback).map(({ type }) => type)
  expect(types.sort()).toEqual(Object.keys(ACCOUNTS).sort())
})

describe.each(Object.entries(ACCOUNTS))('%s', (type, accountAt) => {
  let names: NameServer
  let inside: net.Server
  let port: number
  let visits: number
  beforeEach(async () => {
    names = await nameServer()
    visits = 0
    inside = net.createServer((socket) => {
      visits += 1
      socket.destroy()
    })
    await new Promise<void>((resolve) => inside.listen(0, '127.0.0.1', resolve))
    port = (inside.address() as AddressInfo).port
  })
  afterEach(async () => {
    await new Promise((resolve) => inside.close(resolve))
    await names.close()
  })
  const accountOf = (outbound: Outbound) =>
    driversWith(outbound).find((driver) => driver.type === type)!.account!
  const logIn = (origin: string, outbound: Outbound) =>
    accountOf(outbound).verify({ ...accountAt(origin), details: null }, AbortSignal.timeout(5_000))

  it('cannot be stored with an address of the inside', () => {
    for (const host of ['127.0.0.1', '169.254.169.254', '10.0.0.1', 'metadata.google.internal', '[::1]']) {
      const { settings, secrets } = accountAt(`https://${host}`)
      const account = accountOf(createOutbound({ allow: [] }))
      const stored = [account.settings.safeParse(settings), account.secrets.safeParse(secrets)]
      expect(
        stored.every(({ success }) => success),
        host,
      ).toBe(false)
    }
  })

  it('does not log in at one, though it was stored', async () => {
    for (const origin of [`http://127.0.0.1:${port}`, `https://127.0.0.1:${port}`]) {
      const login = logIn(origin, createOutbound({ allow: [] }))
      await expect(login).rejects.toMatchObject({ name: 'DeliveryError', retryable: false })
    }
    expect(visits).toBe(0)
  })

  it('does not log in where a name leads to one, be it among others', async () => {
    for (const answer of [['127.0.0.1'], ['93.184.215.14', '127.0.0.1']]) {
      names.answers.set('acme.example.com', [answer])
      const outbound = createOutbound({ allow: ['*', 'http://*'], lookup: names.lookup })
      const login = logIn(`https://acme.example.com:${port}`, outbound)
      await expect(login).rejects.toMatchObject({ code: 'REFUSED_ADDRESS', retryable: false })
    }
    expect([names.asked.length > 0, visits]).toEqual([true, 0])
  })

  it('follows no redirect to another host', async () => {
    let asked = 0
    const elsewhere = http.createServer((request, response) => {
      asked += 1
      response.writeHead(307, { location: `http://127.0.0.1:${port}${request.url}` }).end()
    })
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
    try {
      const origin = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`
      await expect(logIn(origin, toLoopback)).rejects.toMatchObject({ name: 'DeliveryError' })
      expect([asked > 0 || type === 'SFTP', visits]).toEqual([true, 0])
    } finally {
      elsewhere.closeAllConnections()
      await new Promise((resolve) => elsewhere.close(resolve))
    }
  })

  it('logs in where the setting names it', async () => {
    const outbound = createOutbound({ allow: [`127.0.0.1:${port}`, `http://127.0.0.1:${port}`] })
    await expect(logIn(`http://127.0.0.1:${port}`, outbound)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(visits).toBeGreaterThan(0)
  })
})
