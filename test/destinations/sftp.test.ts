import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { sftp } from '../../src/destinations/sftp/driver.ts'
import { deliveryTarget } from '../support/delivery-target.ts'
import { toLoopback } from '../support/outbound.ts'
import { needsSshd, type SshdPrograms, type SshdServer, sshdServer } from '../support/sshd-server.ts'
import { fileDriverContract } from './file-driver-contract.ts'

const programs = needsSshd()
const driver = sftp({ outbound: toLoopback })
const signal = new AbortController().signal

describe.runIf(programs)('against sshd', () => {
  let server: SshdServer
  const ends: AbortController[] = []
  beforeAll(async () => {
    server = await sshdServer(programs as SshdPrograms)
  })
  afterAll(async () => server.close())
  beforeEach(() => {
    for (const one of ends.splice(0)) one.abort()
    fs.rmSync(path.join(server.home, 'out'), { recursive: true, force: true })
  })
  const account = () => ({
    settings: {
      host: '127.0.0.1',
      port: server.port,
      username: server.username,
      hostKey: server.fingerprint,
    },
    secrets: { privateKey: server.privateKey },
    details: null,
  })
  const open = async ({ runId, fence }: { runId: string; fence: number }) => {
    const over = new AbortController()
    ends.push(over)
    const target = { runId, fence, settings: { path: 'out' }, account: account(), signal: over.signal }
    const delivery = await driver.deliverFiles?.(deliveryTarget(target))
    if (!delivery) throw new Error('the driver delivers files')
    return delivery
  }
  const entries = () => {
    const folder = path.join(server.home, 'out')
    return fs.existsSync(folder) ? fs.readdirSync(folder) : []
  }
  fileDriverContract('SFTP', () => ({
    open,
    visible: async () =>
      Object.fromEntries(
        entries()
          .filter((name) => !name.startsWith('.'))
          .map((name) => [name, fs.readFileSync(path.join(server.home, 'out', name), 'utf8')]),
      ),
    everything: async () => entries(),
  }))

  it('logs in with a password, and learns the host key', async () => {
    const { hostKey, ...settings } = account().settings
    const unknown = { settings, details: null, secrets: { password: server.password } }
    expect(await driver.account?.verify(unknown, signal)).toEqual({
      hostKey: server.fingerprint,
      hostKeyType: 'ssh-ed25519',
      home: server.home,
    })
  })
})
