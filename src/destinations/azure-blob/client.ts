import { BlobServiceClient, newPipeline, StorageSharedKeyCredential } from '@azure/storage-blob'
import type { Outbound } from '../outbound.ts'
import type { Login } from './login.ts'

/** A client that goes out through the gateway's agents alone; calls are repeated by whoever makes them. */
export function serviceOf({ endpoint, account, key, sas }: Login, outbound: Outbound): BlobServiceClient {
  const credential = key === null ? undefined : new StorageSharedKeyCredential(account, key)
  // The agent goes through to the HTTP pipeline, where it also keeps a proxy out that the environment names.
  const options = {
    agent: endpoint.startsWith('https:') ? outbound.httpsAgent : outbound.httpAgent,
    redirectOptions: { maxRetries: 0 },
    retryOptions: { maxTries: 1 },
  }
  return new BlobServiceClient(
    sas === null ? endpoint : `${endpoint}?${sas}`,
    newPipeline(credential, options),
  )
}
