import net from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { Unavailable } from '../../src/domain/errors.ts'
import { connectionPool, withClient } from '../../src/storage/postgres-pool.ts'

const message = (type: string, body: Buffer) => {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const LOGGED_IN = message('R', Buffer.alloc(4))
const READY = message('Z', Buffer.from('I'))
const KILLED = message(
  'E',
  Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0'),
)

let server: net.Server
afterEach(() => server.close())

// What no test runner takes for granted: an error that nobody hears of ends the process, and fails this run.
it('is lost in the packet in which it is ready: the statement fails, and not the process', async () => {
  server = net.createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end(Buffer.concat([LOGGED_IN, READY, KILLED])))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as net.AddressInfo
  const pool = connectionPool({ url: `postgres://u@127.0.0.1:${port}/d`, size: 1, statementTimeoutMs: 5_000 })
  for (let round = 0; round < 3; round += 1) {
    await expect(withClient(pool, (client) => client.query('select 1'))).rejects.toThrow(Unavailable)
  }
  await pool.end()
})
