import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { DeliveryError, type FileDelivery } from '../../src/destinations/driver.ts'
import type { FinishedPart } from '../../src/domain/model.ts'
import { type FaultyProxy, faultyProxy } from '../support/faulty-proxy.ts'
import { sftpScene } from '../support/sftp-scene.ts'
import { needsSshd } from '../support/sshd-server.ts'
import { fileDriverContract } from './file-driver-contract.ts'

const programs = needsSshd()
const MB = 1024 * 1024
const keep = { replace: false }
const claim = { runId: 'run_1', fence: 1 }

async function part(delivery: FileDelivery, bytes: Buffer, name = 'a.csv', fence = 1): Promise<FinishedPart> {
  const writer = await delivery.openPart(name)
  for (let at = 0; at < bytes.length; at += 256 * 1024)
    await writer.write(bytes.subarray(at, at + 256 * 1024))
  await writer.finish()
  return finished(bytes, name, fence)
}
function finished(bytes: Buffer, name = 'a.csv', fence = 1): FinishedPart {
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return { part: 1, fence, name, rows: 1, bytes: bytes.length, sha256 }
}
const refusal = async (work: Promise<unknown>): Promise<DeliveryError> => {
  const error = await work.then(
    () => new Error('it is not refused'),
    (thrown) => thrown,
  )
  if (!(error instanceof DeliveryError)) throw error
  return error
}

describe.runIf(programs)('SFTP to sshd', () => {
  const { scene, folder, open, visible, everything } = sftpScene(programs)
  const proxies: { close(): Promise<void> }[] = []
  afterEach(async () => {
    for (const proxy of proxies.splice(0)) await proxy.close()
  })
  const proxied = async (): Promise<FaultyProxy> => {
    const proxy = await faultyProxy(scene.server.port)
    proxies.push(proxy)
    return proxy
  }

  fileDriverContract('SFTP', () => ({ open, visible, everything }))

  it('writes a large part byte for byte, and reads it back to know it again', async () => {
    const bytes = randomBytes(5 * MB + 12_345)
    const delivery = await open(claim)
    const large = await part(delivery, bytes)
    expect(await delivery.publish(large, keep)).toBe(`sftp://127.0.0.1:${scene.server.port}${folder()}/a.csv`)
    expect(fs.readFileSync(path.join(folder(), 'a.csv')).equals(bytes)).toBe(true)
    await (await open({ ...claim, fence: 2 })).publish(large, keep)
  })

  it('makes the folders that its path and names have, and takes a path from the root', async () => {
    const delivery = await open(claim, { path: `${folder()}/deep/er` })
    const location = await delivery.publish(await part(delivery, Buffer.from('x'), '2026/ü b/a.csv'), keep)
    expect(location).toBe(`sftp://127.0.0.1:${scene.server.port}${folder()}/deep/er/2026/ü b/a.csv`)
    expect(fs.readFileSync(`${folder()}/deep/er/2026/ü b/a.csv`, 'utf8')).toBe('x')
    await delivery.discard('not/there.csv', [])
  })

  it('is content with its own file under both names, as a crash between the two steps leaves it', async () => {
    const delivery = await open(claim)
    const mine = await part(delivery, Buffer.from('mine'))
    const temporary = path.join(folder(), (await everything())[0] ?? '')
    fs.linkSync(temporary, path.join(folder(), 'a.csv'))
    await delivery.publish(mine, keep)
    expect(await everything()).toEqual(['a.csv'])
  })

  it('does not take a file of the same size for its own, nor a link that leads nowhere for a free name', async () => {
    const delivery = await open(claim)
    const mine = await part(delivery, Buffer.from('mine'))
    fs.writeFileSync(path.join(folder(), 'a.csv'), 'MINE')
    expect(await refusal(delivery.publish(mine, keep))).toMatchObject({ code: 'NAME_TAKEN', retryable: true })
    fs.rmSync(path.join(folder(), 'a.csv'))
    fs.symlinkSync('/nowhere', path.join(folder(), 'a.csv'))
    expect(await refusal(delivery.publish(mine, keep))).toMatchObject({ code: 'NAME_TAKEN' })
    expect(await delivery.hasPart(mine)).toBe(true)
  })

  it.each([true, false])('says when a finished part has disappeared (replacing: %s)', async (replace) => {
    const delivery = await open(claim)
    const mine = await part(delivery, Buffer.from('mine'))
    await delivery.discard('a.csv', [])
    const error = await refusal(delivery.publish(mine, { replace }))
    expect(error).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
  })

  it('says that it may not write, in the words of the server', async () => {
    const delivery = await open(claim, { path: '/etc/here' })
    if (process.getuid?.() === 0) fs.mkdirSync(folder(), { mode: 0o755 })
    else fs.mkdirSync(folder(), { mode: 0o555 })
    const here = await open(claim)
    for (const [one, what] of [
      [delivery, 'to make the folder /etc/here'],
      [here, `to make ${folder()}/.run_1-1-a.csv.part`],
    ] as const) {
      const error = await refusal(one.openPart('a.csv'))
      expect(error).toMatchObject({ code: 'REFUSED_WRITE', retryable: false })
      expect(error.message).toContain(`The server refused ${what}: Permission denied.`)
    }
  })

  it('says when its folder is a file, or a name is too long', async () => {
    const delivery = await open(claim)
    expect(await refusal(delivery.openPart('x'.repeat(250)))).toMatchObject({ code: 'BAD_SETTINGS' })
    fs.rmSync(folder(), { recursive: true })
    fs.writeFileSync(folder(), '')
    expect(await refusal(delivery.openPart('a.csv'))).toMatchObject({
      code: 'BAD_SETTINGS',
      retryable: false,
    })
  })

  it('fails when the session is killed in the middle, and the next attempt starts the part again', async () => {
    const delivery = await open(claim)
    const kept = await part(delivery, Buffer.from('done'), 'a.csv')
    const writer = await delivery.openPart('a_2.csv')
    await writer.write(randomBytes(MB))
    scene.server.killSessions()
    const error = await refusal(writer.write(randomBytes(4 * MB)).then(() => writer.finish()))
    expect(error).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
    await writer.abort()
    expect(await refusal(delivery.exists('a.csv'))).toMatchObject({ code: 'UNAVAILABLE' })

    const next = await open({ ...claim, fence: 2 })
    expect(await next.hasPart(kept)).toBe(true)
    await next.discard('a.csv', [kept])
    expect(await everything()).toHaveLength(1)
    const second = await part(next, Buffer.from('again'), 'a_2.csv', 2)
    for (const one of [kept, second]) await next.publish(one, keep)
    await next.discard('a.csv', [])
    expect(await visible()).toEqual({ 'a.csv': 'done', 'a_2.csv': 'again' })
    expect(await everything()).toHaveLength(2)
  })

  it('gives up on a server that has stopped answering', async () => {
    const proxy = await proxied()
    const patience = { login: 20_000, idle: 500 }
    const delivery = await open(claim, { port: proxy.port, patience })
    proxy.breakAfter(100_000, 'stall')
    const error = await refusal(part(delivery, randomBytes(4 * MB)))
    expect(error).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
    expect(error.message).toContain('stopped answering')
  })

  it('is patient with a slow server that answers at all', async () => {
    const slow = await slowProxy(scene.server.port, { bytes: 16_384, everyMs: 100 })
    proxies.push(slow)
    const delivery = await open(claim, { port: slow.port, patience: { login: 20_000, idle: 2_000 } })
    const began = performance.now()
    await part(delivery, randomBytes(500_000))
    expect(performance.now() - began).toBeGreaterThan(2_500)
  })

  it('stops at once when the run does, and lets go of the connection', async () => {
    const proxy = await proxied()
    const stopping = new AbortController()
    const delivery = await open(claim, { port: proxy.port, signal: stopping.signal })
    const writer = await delivery.openPart('a.csv')
    proxy.breakAfter(100_000, 'stall')
    const writing = writer.write(randomBytes(4 * MB))
    const reason = new Error('cancelled')
    setTimeout(() => stopping.abort(reason), 50)
    await expect(writing).rejects.toBe(reason)
    await expect(delivery.exists('a.csv')).rejects.toBe(reason)
    await writer.abort()
    await expect(open(claim, { signal: stopping.signal })).rejects.toBe(reason)
    await vi.waitFor(() => expect(scene.server.sessions()).toBe(0), 10_000)
  })
})

describe.runIf(programs)('SFTP to a server that offers no more than the protocol', () => {
  // Those are what it uses of OpenSSH's extensions.
  const config = ['ForceCommand internal-sftp -P posix-rename,fsync']
  const { open, visible, everything } = sftpScene(programs, { config })
  fileDriverContract('SFTP', () => ({ open, visible, everything }))
})

describe.runIf(programs)('SFTP to a server that changes its keys as it goes, as after gigabytes', () => {
  const config = ['RekeyLimit 512K', 'LogLevel DEBUG1']
  const { scene, folder, open } = sftpScene(programs, { config })
  it('arrives byte for byte', async () => {
    const bytes = randomBytes(8 * MB)
    const delivery = await open(claim)
    await delivery.publish(await part(delivery, bytes), keep)
    expect(fs.readFileSync(path.join(folder(), 'a.csv')).equals(bytes)).toBe(true)
    const exchanges = scene.server.log().match(/SSH2_MSG_KEXINIT received/g)?.length
    expect(exchanges, 'the first, and others on the way').toBeGreaterThan(1)
  })
})

describe.runIf(programs)('SFTP to a server whose disk is full', () => {
  const { scene, open, everything } = sftpScene(programs, { maxFileKb: 512 })
  it('says so, as far as the server tells, and leaves nothing', async () => {
    const delivery = await open(claim)
    const writer = await delivery.openPart('a.csv')
    const error = await refusal(writer.write(randomBytes(4 * MB)).then(() => writer.finish()))
    expect(error).toMatchObject({ code: 'OUT_OF_SPACE', retryable: true })
    expect(error.message).toMatch(/Failure\. Most often its disk is full, or a quota is reached/)
    await writer.abort()
    expect(await everything()).toEqual([])
    await part(delivery, Buffer.from('small'))
    expect(scene.server.sessions()).toBe(1)
  })
})

/** Lets through so many bytes at a time. */
async function slowProxy(port: number, { bytes, everyMs }: { bytes: number; everyMs: number }) {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((client) => {
    const upstream = net.connect(port, '127.0.0.1')
    for (const socket of [client, upstream]) sockets.add(socket.on('error', () => {}))
    const slowly = async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        for (let at = 0; at < chunk.length; at += bytes) {
          yield chunk.subarray(at, at + bytes)
          if (chunk.length > bytes / 2) await sleep(everyMs)
        }
      }
    }
    pipeline(client, slowly, upstream).catch(() => {}) // the test is over
    upstream.pipe(client)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
