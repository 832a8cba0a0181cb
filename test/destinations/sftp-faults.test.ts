import fs from 'node:fs'
import path from 'node:path'
import { describe } from 'vitest'
import { faultyProxy } from '../support/faulty-proxy.ts'
import { needsSshd, type SshdPrograms, sshdServer } from '../support/sshd-server.ts'
import { fileDriverFaults } from './file-driver-faults.ts'

const programs = needsSshd()

describe.runIf(programs)('with sshd', () => {
  fileDriverFaults('SFTP', {
    over: 'tcp',
    async start() {
      const sshd = await sshdServer(programs as SshdPrograms)
      const proxy = await faultyProxy(sshd.port)
      const folder = path.join(sshd.home, 'daily')
      const entries = () => (fs.existsSync(folder) ? fs.readdirSync(folder) : [])
      return {
        destination: {
          type: 'SFTP',
          account: {
            settings: { host: '127.0.0.1', port: proxy.port, username: sshd.username },
            secrets: { privateKey: sshd.privateKey },
          },
          settings: { path: 'daily' },
        },
        proxy,
        files: async () =>
          new Map(
            entries()
              .filter((name) => !name.startsWith('.'))
              .map((name) => [name, fs.readFileSync(path.join(folder, name))]),
          ),
        leftovers: async () => entries().filter((name) => name.startsWith('.')),
        clear: async () => fs.rmSync(folder, { recursive: true, force: true }),
        secrets: [sshd.privateKey],
        async close() {
          await proxy.close()
          await sshd.close()
        },
      }
    },
  })
})
