// A child process: the stand-in for an object store, so that the gateway does not share its thread.
import { s3Server } from '../support/s3-server/server.ts'
import { answerOrders } from './processes.ts'

const server = await s3Server()
answerOrders({
  where: () => ({ url: server.url, keys: server.keys }),
  clear() {
    server.buckets.get('bucket')?.clear()
    server.requests.splice(0)
  },
  stop: () => server.close(),
})
