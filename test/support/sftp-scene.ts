// The driver for SFTP and an sshd, empty before each test; what is opened is closed after it.
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll } from 'vitest'
import type { DeliveryTarget, FileDelivery, OpenAccount } from '../../src/destinations/driver.ts'
import type { Patience } from '../../src/destinations/sftp/connection.ts'
import { sftp } from '../../src/destinations/sftp/driver.ts'
import { deliveryTarget } from './delivery-target.ts'
import { toLoopback } from './outbound.ts'
import { type SshdOptions, type SshdPrograms, type SshdServer, sshdServer } from './sshd-server.ts'

interface More extends Partial<DeliveryTarget> {
  port?: number
  path?: string
  patience?: Patience
}

/** The account of a server's user, with what a first login told. */
export function sftpAccount(server: SshdServer, port = server.port): OpenAccount {
  return {
    settings: { host: '127.0.0.1', port, username: server.username },
    secrets: { privateKey: server.privateKey },
    details: { hostKey: server.fingerprint, hostKeyType: 'ssh-ed25519', home: server.home },
  }
}

/** Call it once in a suite; the server is there from its first test on. */
export function sftpScene(programs: SshdPrograms | null, options: SshdOptions = {}) {
  const scene = {} as { server: SshdServer }
  const open: AbortController[] = []
  beforeAll(async () => {
    scene.server = await sshdServer(programs as SshdPrograms, options)
  })
  afterEach(() => {
    for (const one of open.splice(0)) one.abort()
    const { home } = scene.server
    for (const name of fs.readdirSync(home)) fs.rmSync(path.join(home, name), { recursive: true })
  })
  afterAll(() => scene.server.close())

  const folder = () => path.join(scene.server.home, 'out')
  const names = () => (fs.existsSync(folder()) ? fs.readdirSync(folder()) : [])
  return {
    scene,
    folder,
    async open(run: { runId: string; fence: number }, more: More = {}): Promise<FileDelivery> {
      const { port, path = 'out', patience, signal, ...target } = more
      const over = new AbortController()
      open.push(over)
      const driver = sftp({ outbound: toLoopback, ...(patience && { patience }) })
      const delivery = await driver.deliverFiles?.(
        deliveryTarget({
          ...run,
          settings: driver.settings.parse({ path }),
          account: sftpAccount(scene.server, port),
          signal: signal ? AbortSignal.any([signal, over.signal]) : over.signal,
          ...target,
        }),
      )
      if (!delivery) throw new Error('the driver delivers files')
      return delivery
    },
    everything: async () => names(),
    async visible(): Promise<Record<string, string>> {
      const visible = names().filter((name) => !name.startsWith('.'))
      return Object.fromEntries(
        visible.map((name) => [name, fs.readFileSync(path.join(folder(), name), 'utf8')]),
      )
    },
  }
}
