import net, { type AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createOutbound } from '../../src/destinations/outbound.ts'
import { type NameServer, nameServer } from '../support/name-server.ts'

// What leads to 127.0.0.1 stands for any public address: the allow-list names it alone, and the test listens on it.
let names: NameServer
let server: net.Server
let port: number
let accepted: net.Socket[]
beforeEach(async () => {
  names = await nameServer()
  accepted = []
  server = net.createServer((socket) => void accepted.push(socket.resume()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterEach(async () => {
  for (const socket of accepted) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
  await names.close()
})

const never = new AbortController().signal
const outbound = (...allow: string[]) => createOutbound({ allow, lookup: names.lookup })
const connected = async (host: string, ...allow: string[]) => {
  const socket = await outbound(...allow).connect({ host, port, signal: never })
  const { remoteAddress } = socket
  socket.destroy()
  return remoteAddress
}

describe('a connection', () => {
  it('goes to what the name leads to', async () => {
    names.answers.set('store.example.com', [['127.0.0.1']])
    expect(await connected('store.example.com', '127.0.0.1')).toBe('127.0.0.1')
    expect(await connected('Store.Example.com.', '127.0.0.1')).toBe('127.0.0.1')
  })

  it('goes to the address that was checked, whatever the name server says the next time', async () => {
    names.answers.set('rebound.example.com', [['127.0.0.1'], ['127.0.0.2']])
    expect(await connected('rebound.example.com', '127.0.0.1')).toBe('127.0.0.1')
    expect(names.asked).toEqual(['A rebound.example.com', 'AAAA rebound.example.com'])
    await expect(connected('rebound.example.com', '127.0.0.1')).rejects.toMatchObject({
      code: 'REFUSED_ADDRESS',
      retryable: false,
    })
    expect(accepted).toHaveLength(1)
  })

  it.each([
    [['127.0.0.1']],
    [['10.0.0.1']],
    [['169.254.169.254']],
    [['::1']],
    [['::ffff:127.0.0.1']],
    [['fd00:ec2::254']],
    [['93.184.215.14', '127.0.0.1']],
    [['127.0.0.1', '93.184.215.14']],
    [['2606:4700::1111', '127.0.0.1']],
    [['93.184.215.14', 'fe80::1']],
    [['alias.example.com']],
  ])('is not made when the name leads to %j', async (answer) => {
    names.answers.set('alias.example.com', [['127.0.0.1']])
    names.answers.set('evil.example.com', [answer])
    const error = await connected('evil.example.com', '*').catch((reason: Error) => reason)
    expect(error).toMatchObject({ code: 'REFUSED_ADDRESS', retryable: false })
    expect((error as Error).message).toBe(
      `evil.example.com:${port} is not on the public internet, and may not be reached. ` +
        `Whoever runs the gateway can allow it: OUTBOUND_ALLOW=evil.example.com:${port}`,
    )
    expect(accepted).toEqual([])
  })

  it('is checked for a literal address too, for which nothing is looked up', async () => {
    for (const host of [
      '127.0.0.1',
      '127.1',
      '0x7f000001',
      '2130706433',
      '::ffff:127.0.0.1',
      '[::ffff:7f00:1]',
    ]) {
      await expect(connected(host), host).rejects.toMatchObject({ code: 'REFUSED_ADDRESS' })
    }
    expect([names.asked, accepted]).toEqual([[], []])
    expect(await connected('127.1', '127.0.0.1')).toBe('127.0.0.1')
  })

  it('is not made to a port that is not allowed', async () => {
    names.answers.set('store.example.com', [['93.184.215.14']])
    const error = await connected('store.example.com').catch((reason: Error) => reason)
    expect(error).toMatchObject({ code: 'REFUSED_ADDRESS' })
    expect((error as Error).message).toContain(`OUTBOUND_ALLOW=store.example.com:${port}`)
    expect(names.asked).toEqual([])
  })

  it('that nobody takes can be tried again', async () => {
    await new Promise((resolve) => server.close(resolve))
    await expect(connected('127.0.0.1', '127.0.0.1')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      retryable: true,
      message: '127.0.0.1 refuses the connection (ECONNREFUSED).',
    })
    await expect(connected('nowhere.example.com', '*')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: 'nowhere.example.com is not known: the name leads nowhere (ENOTFOUND).',
    })
    server.listen(0)
  })

  it('asks the system where names lead, unless told otherwise', async () => {
    const connect = (...allow: string[]) =>
      createOutbound({ allow }).connect({ host: 'localhost', port, signal: never })
    const socket = await connect(`localhost:${port}`)
    expect(socket.remotePort).toBe(port)
    socket.destroy()
    await expect(connect('10.0.0.0/8')).rejects.toMatchObject({ code: 'REFUSED_ADDRESS' })
    await expect(connect()).rejects.toMatchObject({ code: 'REFUSED_ADDRESS' })
  })

  it('waits for a name server no longer than it should, and not after an abort', async () => {
    const lookup = () => new Promise<string[]>(() => {})
    const slow = createOutbound({ allow: ['*'], lookup, timeouts: { connectMs: 30 } })
    await expect(slow.connect({ host: 'a.example.com', port, signal: never })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: 'a.example.com does not answer within 0.03 s.',
    })
    const reason = new Error('cancelled')
    const aborted = createOutbound({ allow: ['*'], lookup }).connect({
      host: 'a.example.com',
      port,
      signal: AbortSignal.abort(reason),
    })
    await expect(aborted).rejects.toBe(reason)
  })

  it('stays open after its time limit once it is made', async () => {
    const quick = createOutbound({ allow: ['127.0.0.1'], timeouts: { connectMs: 200 } })
    const controller = new AbortController()
    const socket = await quick.connect({ host: '127.0.0.1', port, signal: controller.signal })
    await new Promise((resolve) => setTimeout(resolve, 400))
    controller.abort() // the socket is the caller's by now
    expect(socket.destroyed).toBe(false)
    expect(socket.listenerCount('error')).toBe(0)
    socket.destroy()
  })
})

describe('OUTBOUND_ALLOW', () => {
  beforeEach(() => {
    names.answers.set('minio.lan', [['127.0.0.1']])
    names.answers.set('other.lan', [['127.0.0.1']])
  })

  it.each([
    'minio.lan',
    'MINIO.lan',
    'minio.lan:PORT',
    '127.0.0.1',
    '127.0.0.1:PORT',
    '127.0.0.0/8',
    '127.0.0.0/8:PORT',
    'http://minio.lan:PORT',
    'http://127.0.0.0/8',
  ])('%s lets minio.lan be reached', async (entry) => {
    expect(await connected('minio.lan', entry.replace('PORT', `${port}`))).toBe('127.0.0.1')
  })

  it.each([
    'minio.lan:22',
    '127.0.0.1:22',
    '127.0.0.2',
    '10.0.0.0/8',
    '[::1]',
    '*',
    '*:PORT',
    'lan',
    'io.lan',
    'other.lan',
  ])('%s does not', async (entry) => {
    const attempt = connected('minio.lan', entry.replace('PORT', `${port}`))
    await expect(attempt).rejects.toMatchObject({ code: 'REFUSED_ADDRESS' })
    expect(accepted).toEqual([])
  })

  it('with a name does not allow another name that leads to the same', async () => {
    await expect(connected('other.lan', 'minio.lan')).rejects.toMatchObject({ code: 'REFUSED_ADDRESS' })
  })

  it('with an entry that is none is no setting', () => {
    expect(() => outbound('minio.lan', 'https://minio.lan')).toThrow('"https://minio.lan" is none of a name')
  })
})
