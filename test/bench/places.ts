// The places that exports go to, each a server in a process of its own, and beside each the plain way to put a file
// there: what the server itself can do.
import { fork } from 'node:child_process'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { BlobServiceClient } from '@azure/storage-blob'
import { azuriteServer } from '../support/azurite-server.ts'
import { runProcess } from '../support/gateway-process.ts'
import { accountFor, type S3Place } from '../support/s3-scenes.ts'
import { needsSshd, sshdServer } from '../support/sshd-server.ts'
import { order } from './processes.ts'

export interface Place {
  type: string
  account: { settings: object; secrets: object } | null
  settings: object
  /** Puts a file there by the place's own client. */
  bare: ((file: string) => Promise<unknown>) | null
  /** Forgets the files. */
  clear(): Promise<void>
  stop(): Promise<void>
}

const MB = 1024 * 1024
/** As the drivers: what travels at a time. */
const AT_ONCE = 4

export async function localFolder(exportRoot: string): Promise<Place> {
  return {
    type: 'LOCAL_DIRECTORY',
    account: null,
    settings: { path: 'bench' },
    bare: null,
    clear: () => fs.rm(path.join(exportRoot, 'bench'), { recursive: true, force: true }),
    stop: async () => {},
  }
}

export async function objectStore(): Promise<Place> {
  const child = fork(path.join(import.meta.dirname, 's3-place.ts'))
  const { url, keys } = await order<S3Place>(child, 'where')
  const client = new S3Client({
    endpoint: url,
    forcePathStyle: true,
    region: keys.region,
    credentials: keys,
    requestChecksumCalculation: 'WHEN_REQUIRED',
  })
  const { settings, secrets } = accountFor({ url, keys })
  return {
    type: 'S3',
    account: { settings, secrets },
    settings: { bucket: 'bucket', path: 'bench' },
    bare: (file) => multipart(client, file),
    clear: () => order(child, 'clear'),
    async stop() {
      client.destroy()
      await order(child, 'stop')
    },
  }
}

async function multipart(client: S3Client, file: string): Promise<void> {
  const to = { Bucket: 'bucket', Key: 'bare' }
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(to))
  const bytes = await fs.readFile(file)
  const parts = Array.from({ length: Math.ceil(bytes.length / (8 * MB)) }, (_, n) => n)
  const Parts: { PartNumber: number; ETag: string | undefined }[] = []
  const send = async () => {
    for (let n = parts.shift(); n !== undefined; n = parts.shift()) {
      const Body = bytes.subarray(n * 8 * MB, (n + 1) * 8 * MB)
      const command = new UploadPartCommand({ ...to, UploadId, PartNumber: n + 1, Body })
      Parts[n] = { PartNumber: n + 1, ETag: (await client.send(command)).ETag }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, send))
  await client.send(new CompleteMultipartUploadCommand({ ...to, UploadId, MultipartUpload: { Parts } }))
}

export async function azure(): Promise<Place> {
  const azurite = await azuriteServer()
  const service = BlobServiceClient.fromConnectionString(azurite.connectionString())
  const container = service.getContainerClient('bench')
  await container.create()
  return {
    type: 'AZURE_BLOB',
    account: { settings: {}, secrets: { connectionString: azurite.connectionString() } },
    settings: { container: 'bench' },
    bare: (file) =>
      container
        .getBlockBlobClient('bare')
        .uploadFile(file, { blockSize: 4 * MB, concurrency: AT_ONCE, maxSingleShotSize: 4 * MB }),
    async clear() {
      for await (const { name } of container.listBlobsFlat()) await container.deleteBlob(name)
    },
    stop: () => azurite.stop(),
  }
}

/** Null where there is no sshd. */
export async function sshServer(): Promise<Place | null> {
  const programs = findSshd()
  if (!programs) return null
  const server = await sshdServer(programs)
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'gateway-bench-ssh-'))
  const key = path.join(folder, 'key')
  await fs.writeFile(key, server.privateKey, { mode: 0o600 })
  const { port, username, privateKey } = server
  const to = path.join(server.home, 'bench')
  return {
    type: 'SFTP',
    account: { settings: { host: '127.0.0.1', port, username }, secrets: { privateKey } },
    settings: { path: 'bench' },
    async bare(file) {
      const batch = path.join(folder, 'batch')
      await fs.writeFile(batch, `put ${file} bare\n`)
      const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR']
      const given = options.flatMap((option) => ['-o', option])
      await runProcess('sftp', [...given, '-i', key, '-P', `${port}`, '-b', batch, `${username}@127.0.0.1`])
    },
    async clear() {
      await fs.rm(to, { recursive: true, force: true })
      await fs.rm(path.join(server.home, 'bare'), { force: true })
    },
    async stop() {
      await server.close()
      await fs.rm(folder, { recursive: true, force: true })
    },
  }
}

/** Outside of the tests nobody is told of what is missing but by this. */
function findSshd() {
  try {
    return needsSshd()
  } catch {
    return null
  }
}
