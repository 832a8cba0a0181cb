// A name server of the tests' own: real packets, so that what is asked, and how often, is seen from outside.
import dgram from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import type { AddressInfo } from 'node:net'
import type { Lookup } from '../../src/destinations/outbound-connect.ts'

export interface NameServer {
  /** What each name leads to, one list for each time it is asked; the last one stays. A name in it is an alias. */
  answers: Map<string, string[][]>
  /** The names that were asked for, each `TYPE name`. */
  asked: string[]
  lookup: Lookup
  close(): Promise<void>
}

const TYPES = { A: 1, CNAME: 5, AAAA: 28 } as const

export async function nameServer(): Promise<NameServer> {
  const socket = dgram.createSocket('udp4')
  const server: NameServer = {
    answers: new Map(),
    asked: [],
    lookup,
    close: () => new Promise((resolve) => socket.close(resolve)),
  }
  socket.on('message', (query, { port, address }) => socket.send(answer(server, query), port, address))
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  const resolver = new Resolver({ timeout: 1_000, tries: 2 })
  resolver.setServers([`127.0.0.1:${(socket.address() as AddressInfo).port}`])
  async function lookup(name: string): Promise<string[]> {
    const both = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
    const found = both.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
    if (found.length === 0) throw both.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))[0]
    return found
  }
  return server
}

/** RFC 1035: the header, the question repeated, and a record for each of the answers that is of the type asked for. */
function answer(server: NameServer, query: Buffer): Buffer {
  const { name, end } = nameAt(query, 12)
  const type = query.readUInt16BE(end)
  server.asked.push(`${type === TYPES.A ? 'A' : 'AAAA'} ${name}`)
  const records = recordsOf(server, name, type)
  const header = Buffer.from(query.subarray(0, 12))
  header.writeUInt16BE(records === null ? 0x8183 : 0x8180, 2) // NXDOMAIN, or no error
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(records?.length ?? 0, 6)
  header.writeUInt32BE(0, 8)
  return Buffer.concat([header, query.subarray(12, end + 4), ...(records ?? [])])
}

function recordsOf(server: NameServer, name: string, type: number): Buffer[] | null {
  const rounds = server.answers.get(name)
  // Both types of one round are asked for together; the round is over with the second.
  const found = type === TYPES.AAAA && (rounds?.length ?? 0) > 1 ? rounds?.shift() : rounds?.[0]
  if (!found) return null
  return found.flatMap((value) => {
    if (/^\d+(\.\d+){3}$/.test(value)) {
      return type === TYPES.A ? [record(name, TYPES.A, Buffer.from(value.split('.').map(Number)))] : []
    }
    if (value.includes(':')) return type === TYPES.AAAA ? [record(name, TYPES.AAAA, ipv6Bytes(value))] : []
    return [record(name, TYPES.CNAME, nameBytes(value)), ...(recordsOf(server, value, type) ?? [])]
  })
}

function record(name: string, type: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(type, 0)
  fixed.writeUInt16BE(1, 2)
  fixed.writeUInt32BE(0, 4) // not to be kept
  fixed.writeUInt16BE(data.length, 8)
  return Buffer.concat([nameBytes(name), fixed, data])
}

const nameBytes = (name: string) =>
  Buffer.concat([
    ...name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.from([0]),
  ])

function nameAt(packet: Buffer, at: number): { name: string; end: number } {
  const labels: string[] = []
  let offset = at
  for (let length = packet.readUInt8(offset); length > 0; length = packet.readUInt8(offset)) {
    labels.push(packet.toString('latin1', offset + 1, offset + 1 + length))
    offset += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), end: offset + 1 }
}

function ipv6Bytes(address: string): Buffer {
  const [head = '', tail = ''] = address.split('::')
  const groups = (text: string) =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
  const missing = 8 - groups(head).length - groups(tail).length
  const all = [...groups(head), ...Array<number>(missing).fill(0), ...groups(tail)]
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]))
}
