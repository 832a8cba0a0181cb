import { httpFaultyProxy } from '../support/faulty-proxy.ts'
import { accountFor, everythingOn, objectsOf } from '../support/s3-scenes.ts'
import { s3Server } from '../support/s3-server/server.ts'
import type { Dialect } from '../support/s3-server/signature.ts'
import { fileDriverFaults } from './file-driver-faults.ts'

/** The driver beside a stand-in of its store, which speaks a dialect of the protocol. */
const faultsOf = (type: 'S3' | 'GCS', dialect: Dialect) =>
  fileDriverFaults(type, {
    over: 'http',
    async start() {
      const server = await s3Server(dialect)
      const proxy = await httpFaultyProxy(Number(new URL(server.url).port))
      const { settings, secrets } = accountFor({ ...server, url: `http://127.0.0.1:${proxy.port}` })
      const { endpoint } = settings
      const short = (key: string) => key.replace(/^out\//, '')
      return {
        destination: {
          type,
          account: { settings: type === 'GCS' ? { endpoint } : settings, secrets },
          settings: { bucket: 'bucket', path: 'out' },
        },
        proxy,
        files: async () =>
          new Map(Object.entries(objectsOf(server)).map(([key, body]) => [short(key), body] as const)),
        leftovers: async () => {
          const visible = Object.keys(objectsOf(server))
          return everythingOn(server).filter((name) => !visible.includes(name))
        },
        async clear() {
          server.buckets.get('bucket')?.clear()
          server.uploads.splice(0)
          server.requests.splice(0)
        },
        secrets: [server.keys.secretAccessKey],
        async close() {
          await proxy.close()
          await server.close()
        },
      }
    },
  })

faultsOf('S3', 'amz')
faultsOf('GCS', 'goog')
