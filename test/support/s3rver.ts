// s3rver, somebody else's S3 server: it checks signatures and hides uploads until they are completed, but knows neither
// how to abort or list them, nor conditions. https://github.com/20minutes/s3rver
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'

interface S3rver {
  run(): Promise<{ port: number }>
  close(): Promise<void>
}
// It has no types.
const require = createRequire(import.meta.url)
const Server = require('@20minutes/s3rver') as new (options: object) => S3rver

// Of `/bucket/` it forgets the last slash when it checks the signature, so that it refuses Amazon's own library.
interface Canonical {
  uri: string
}
const v4 = require('@20minutes/s3rver/lib/signature/v4') as {
  getStringToSign(request: Canonical, signature: unknown): string
}
const { getStringToSign } = v4
v4.getStringToSign = (request, signature) => {
  const isBucket = /^\/[^/]+$/.test(request.uri)
  return getStringToSign(isBucket ? { ...request, uri: `${request.uri}/` } : request, signature)
}

/** With one bucket, `bucket`, which is a folder on the disk. */
export async function startS3rver() {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-s3rver-'))
  const options = {
    address: '127.0.0.1',
    port: 0,
    silent: true,
    directory,
    configureBuckets: [{ name: 'bucket' }],
  }
  const server = new Server(options)
  const { port } = await server.run()
  return {
    url: `http://127.0.0.1:${port}`,
    // The only ones that it knows.
    keys: { region: 'us-east-1', accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
    /** The objects in the bucket, by key. */
    objects: () => objectsIn(path.join(directory, 'bucket')),
    async close() {
      await server.close()
      fs.rmSync(directory, { recursive: true, force: true })
    },
  }
}

const OBJECT = '._S3rver_object'

function objectsIn(folder: string): Record<string, Buffer> {
  const files = fs.readdirSync(folder, { recursive: true }) as string[]
  const objects = files.filter((file) => file.endsWith(OBJECT))
  return Object.fromEntries(
    objects.map((file) => [file.slice(0, -OBJECT.length), fs.readFileSync(path.join(folder, file))]),
  )
}
