// A WebSocket client made of a bare connection: for what a well-behaved client would never do.
import { request } from 'node:http'
import type { Socket } from 'node:net'

export interface RawSocket {
  socket: Socket
  /** Writes a frame with an empty mask, or with none at all. */
  frame(opcode: number, payload: Buffer | string, options?: { fin?: boolean; masked?: boolean }): void
  say(message: object): void
  /** The code of the server's close frame; 1006 when the connection ended without one. */
  closed: Promise<number>
}

/** Opens the connection and shakes hands. */
export function rawSocket(url: string): Promise<RawSocket> {
  return new Promise((resolve, reject) => {
    const asking = request(`${url}/graphql`, {
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        'sec-websocket-protocol': 'graphql-transport-ws',
      },
    })
    asking.on('error', reject)
    asking.on('upgrade', (_, socket) => resolve(overSocket(socket as Socket)))
    asking.end()
  })
}

const TEXT = 1
const CLOSE = 8

function overSocket(socket: Socket): RawSocket {
  const frame: RawSocket['frame'] = (opcode, payload, { fin = true, masked = true } = {}) => {
    const data = Buffer.from(payload)
    const mask = masked ? 0x80 : 0
    const length =
      data.length < 126 ? [mask | data.length] : [mask | 126, data.length >> 8, data.length & 255]
    const head = Buffer.from([(fin ? 0x80 : 0) | opcode, ...length, ...(masked ? [0, 0, 0, 0] : [])])
    socket.write(Buffer.concat([head, data]))
  }
  socket.on('error', () => {})
  const closed = new Promise<number>((resolve) => {
    let text = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      text = Buffer.concat([text, chunk])
      // Only short frames are looked into: these clients ask for nothing long.
      while (text.length >= 2 && text.length >= 2 + (text[1] ?? 0)) {
        if (((text[0] ?? 0) & 15) === CLOSE) resolve(text.readUInt16BE(2))
        text = text.subarray(2 + (text[1] ?? 0))
      }
    })
    socket.on('close', () => resolve(1006))
  })
  return { socket, frame, say: (message) => frame(TEXT, JSON.stringify(message)), closed }
}
