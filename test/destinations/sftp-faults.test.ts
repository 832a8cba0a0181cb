import path from 'node:path'
import { describe } from 'vitest'
import { faultyProxy } from '../support/faulty-proxy.ts'
import { filesIn } from '../support/folder-files.ts'
import { needsSshd, type SshdPrograms, sshdServer } from '../support/sshd-server.ts'
import { fileDriverFaults } from './file-driver-faults.ts'

const programs = needsSshd()

describe.runIf(programs)('with sshd', () => {
  fileDriverFaults('SFTP', {
    over: 'tcp',
    async start() {
      const sshd = await sshdServer(programs as SshdPrograms)
      const proxy = await faultyProxy(sshd.port)
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
        ...filesIn(() => path.join(sshd.home, 'daily')),
        secrets: [sshd.privateKey],
        async close() {
          await proxy.close()
          await sshd.close()
        },
      }
    },
  })
})
