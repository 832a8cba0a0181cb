import { z } from 'zod'
import { isConfined } from '../confined-path.ts'
import {
  DeliveryError,
  type DeliveryTarget,
  type Driver,
  type KnownAccount,
  type OpenAccount,
} from '../driver.ts'
import type { Outbound } from '../outbound.ts'
import { type Login, type LoginSecrets, readLogin } from './login.ts'

/** Names of containers, as the service takes them. */
const CONTAINER = /^(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/
const MAX_SECRET = 4_096

/** Writes block blobs into a container of Azure Blob Storage. */
export function azureBlob({ outbound, callMs = 60_000 }: { outbound: Outbound; callMs?: number }): Driver {
  return {
    type: 'AZURE_BLOB',
    title: 'Azure Blob Storage',
    delivery: 'FILE',
    allowsAdHoc: true,
    account: {
      settings: z.strictObject({}),
      secrets: z
        .strictObject({
          connectionString: z
            .string()
            .trim()
            .max(MAX_SECRET)
            .optional()
            .meta({
              title: 'Connection string',
              description: 'Of the storage account, with its key or a shared access signature; or a SAS URL.',
              examples: [
                'DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net',
              ],
            }),
          sasUrl: z.string().trim().max(MAX_SECRET).optional().meta({
            title: 'SAS URL',
            description:
              'The address of the storage account or of one container, with a shared access signature (rcwdl).',
          }),
        })
        .superRefine((secrets, ctx) => {
          const login = readLogin(secrets)
          const refusal = typeof login === 'string' ? login : outbound.refusalOf(login.endpoint)
          if (refusal !== null) ctx.addIssue({ code: 'custom', message: refusal, path: givenIn(secrets) })
        }),
      async verify(account, signal) {
        const { verifyLogin } = await import('./verify.ts') // the library is large: loaded when the first one uses it
        return verifyLogin({ login: loginOf(account), outbound, callMs, signal })
      },
    },
    settings: z.strictObject({
      container: z
        .string()
        .regex(CONTAINER, 'container has 3 to 63 small letters, digits and single hyphens.')
        .meta({
          title: 'Container',
          description: 'The container that files are written to. It must exist.',
          examples: ['audiences'],
        }),
      path: z
        .string()
        .max(500, 'path is at most 500 characters long.')
        .transform((path) => path.replace(/\/+$/, ''))
        .refine(
          isConfined,
          'path is a folder in the container, e.g. "sales/daily": no "..", no leading "/", no backslash.',
        )
        .transform((path) => (path === '.' ? '' : path))
        .default('')
        .meta({
          title: 'Folder',
          description: 'The folder of the files in the container; empty for the container itself.',
          examples: ['sales/daily'],
        }),
    }),
    fields: [],
    refusalOf: (settings, account) => refusalOf(String(settings.container), account),
    async deliverFiles(target) {
      const { azureDelivery } = await import('./delivery.ts')
      return azureDelivery({ target, login: loginOf(accountOf(target)), outbound, callMs })
    },
  }
}

const givenIn = ({ connectionString }: LoginSecrets): string[] => [
  connectionString === undefined ? 'sasUrl' : 'connectionString',
]

/** @throws DeliveryError for secrets that an older version of the gateway has let in */
function loginOf({ secrets }: OpenAccount): Login {
  const login = readLogin(secrets)
  if (typeof login !== 'string') return login
  throw new DeliveryError('BAD_SETTINGS', login, { retryable: false })
}

function accountOf({ account }: DeliveryTarget): OpenAccount {
  if (account) return account
  throw new DeliveryError('BAD_SETTINGS', 'The destination has no account.', { retryable: false })
}

function refusalOf(container: string, { details }: KnownAccount): string | null {
  const { containers, hasMoreContainers } = (details ?? {}) as {
    containers?: string[]
    hasMoreContainers?: boolean
  }
  if (!containers || hasMoreContainers || containers.includes(container)) return null
  const known = containers.slice(0, 10).join(', ') || 'none'
  return `The account has no container ${JSON.stringify(container)}; it told of: ${known}. Verify the account again if it is new.`
}
