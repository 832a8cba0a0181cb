// The login: reads what there is to choose from, with whatever the key or the signature allows.
import { randomUUID } from 'node:crypto'
import type { BlobServiceClient } from '@azure/storage-blob'
import type { AccountDetails } from '../driver.ts'
import type { Outbound } from '../outbound.ts'
import { type Call, caller, errorCodeOf } from './call.ts'
import { serviceOf } from './client.ts'
import type { Login } from './login.ts'

/** As many as one answer of the service lists at most, and more than anybody chooses from. */
const MAX_CONTAINERS = 1_000
/** Signatures for objects alone may not list containers. */
const NOT_ALLOWED = [
  'AuthorizationPermissionMismatch',
  'AuthorizationResourceTypeMismatch',
  'AuthorizationFailure',
]

/** @throws DeliveryError with the service's own words */
export async function verifyLogin(options: {
  login: Login
  outbound: Outbound
  callMs: number
  signal: AbortSignal
}): Promise<AccountDetails> {
  const { login, outbound } = options
  const service = serviceOf(login, outbound)
  const call = caller(options.signal, options.callMs)
  const { account, endpoint, expiresAt } = login
  const known = { account, endpoint, ...(expiresAt !== null && { expiresAt }) }
  if (login.container !== null) {
    await lookInto(login.container, service, call)
    return { ...known, containers: [login.container], hasMoreContainers: false }
  }
  const listed = await containersOf(service, call)
  if (listed) return { ...known, ...listed }
  await call((abortSignal) => service.getAccountInfo({ abortSignal }))
  return { ...known, containers: [], hasMoreContainers: true }
}

/** Null where the signature does not allow to list them. */
async function containersOf(service: BlobServiceClient, call: Call) {
  return call(async (abortSignal) => {
    try {
      const pages = service.listContainers({ abortSignal }).byPage({ maxPageSize: MAX_CONTAINERS })
      const { value } = await pages.next()
      const containers = (value?.containerItems ?? []).map(({ name }: { name: string }) => name)
      return { containers, hasMoreContainers: Boolean(value?.continuationToken) }
    } catch (error) {
      if (NOT_ALLOWED.includes(errorCodeOf(error) ?? '')) return null
      throw error
    }
  })
}

/** Asks for a blob that nobody has: a signature that is refused, or a container that is not there, is told by name. */
async function lookInto(container: string, service: BlobServiceClient, call: Call): Promise<void> {
  const blob = service.getContainerClient(container).getBlobClient(`login-check-${randomUUID()}`)
  await call(async (abortSignal) => {
    try {
      await blob.getProperties({ abortSignal })
    } catch (error) {
      if (errorCodeOf(error) !== 'BlobNotFound') throw error
    }
  })
}
