import path from 'node:path/posix'
import { z } from 'zod'
import {
  DeliveryError,
  type DeliveryTarget,
  type Driver,
  type FileDelivery,
  type OpenAccount,
} from '../driver.ts'
import type { Outbound } from '../outbound.ts'
import { connect, PATIENCE, type Patience } from './connection.ts'
import { sftpDelivery } from './delivery.ts'
import { accountSecrets, accountSettings, addressOf, loginOf } from './login.ts'
import { remoteFiles } from './remote-files.ts'

interface SftpOptions {
  outbound: Outbound
  patience?: Patience
}

/** Writes files to an SFTP server, which is known by its host key from the first login on. */
export function sftp({ outbound, patience = PATIENCE }: SftpOptions): Driver {
  return {
    type: 'SFTP',
    title: 'SFTP server',
    delivery: 'FILE',
    allowsAdHoc: true,
    account: {
      settings: accountSettings(outbound),
      secrets: accountSecrets,
      async verify(account, signal) {
        const connection = await connect({ outbound, login: loginOf(account), patience, signal })
        try {
          const files = remoteFiles(connection)
          const home = await files.home()
          for await (const _ of files.namesIn(home)) break // it may be listed; what is in it is nobody's business
          const { fingerprint, type } = connection.hostKey
          return { hostKey: fingerprint, hostKeyType: type, home }
        } finally {
          connection.end()
        }
      },
    },
    settings: z.strictObject({
      path: z
        .string()
        .max(1000, 'path is at most 1,000 characters long.')
        .transform((value) => value.replace(/(?!^)\/+$/, ''))
        .refine(
          isPath,
          'path is a folder like "/srv/in" or, below the one where the login begins, "in/daily": no "..", no backslash.',
        )
        .default('')
        .meta({
          title: 'Folder',
          description:
            'The folder on the server; without a leading "/" it is below the one where the login begins.',
          examples: ['in/daily'],
        }),
    }),
    fields: [],
    deliverFiles: (target) => deliver({ outbound, patience }, target),
  }
}

async function deliver(options: Required<SftpOptions>, target: DeliveryTarget): Promise<FileDelivery> {
  const { runId, fence, signal } = target
  const login = loginOf(target.account as OpenAccount) // a driver with accounts is given one
  if (login.pin === null) {
    const message = 'The host key of the server is not known yet. Verify the account, then retry the run.'
    throw new DeliveryError('BAD_SETTINGS', message, { retryable: false })
  }
  const connection = await connect({ ...options, login, signal })
  const files = remoteFiles(connection)
  const { path: folder } = target.settings as { path: string } // parsed by the schema when it was stored
  const base = path.resolve(folder.startsWith('/') ? '/' : await files.home(), folder)
  return sftpDelivery({ files, base, server: `sftp://${addressOf(login)}`, runId, fence })
}

function isPath(value: string): boolean {
  if (value === '' || value === '/' || value === '.') return true
  if (!value.isWellFormed() || /[\p{Cc}\\]/u.test(value)) return false
  const steps = value.replace(/^\//, '').split('/')
  return steps.every((step) => step !== '' && step !== '.' && step !== '..' && Buffer.byteLength(step) <= 255)
}
