// OpenStack Swift with its S3 API, from the distribution's packages: a real store, all of it on this machine and in one
// folder. One copy of everything, and nothing runs in the background.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { needs } from './distribution-server.ts'
import type { S3Place } from './s3-scenes.ts'

const KINDS = ['account', 'container', 'object'] as const
const PACKAGES = 'swift-proxy swift-account swift-container swift-object'
const SECRET = 'the-secret-of-the-tester'
const START_MS = 60_000

/** Whether it is here; call it while the suite is collected. */
export const hasSwift = () => needs('swift-proxy-server', { package: PACKAGES }) !== null

export interface SwiftServer extends S3Place {
  close(): void
}

export async function startSwift(): Promise<SwiftServer> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-swift-'))
  const [proxyPort, ...ports] = (await freePorts(4)) as [number, number, number, number]
  fs.mkdirSync(path.join(folder, 'disks/disk'), { recursive: true })
  fs.writeFileSync(path.join(folder, 'swift.conf'), SWIFT)
  KINDS.forEach((kind, index) => {
    fs.writeFileSync(path.join(folder, `${kind}.conf`), storageConf(folder, kind, ports[index] ?? 0))
  })
  fs.writeFileSync(path.join(folder, 'proxy.conf'), proxyConf(folder, proxyPort))
  execFileSync('/usr/bin/python3', ['-c', RINGS, folder, ...ports.map(String)])
  const servers = ['proxy', ...KINDS].map((kind) => {
    const log = fs.openSync(path.join(folder, `${kind}.log`), 'w')
    const file = path.join(folder, `${kind}.conf`)
    return spawn(`swift-${kind}-server`, [file, '-v'], { stdio: ['ignore', log, log] })
  })
  const close = () => {
    for (const server of servers) server.kill('SIGKILL')
    fs.rmSync(folder, { recursive: true, force: true })
  }
  try {
    await Promise.all([proxyPort, ...ports].map((port) => untilOpen(port, servers)))
  } catch (error) {
    const said = fs.readFileSync(path.join(folder, 'proxy.log'), 'utf8').slice(-2000)
    close()
    throw new Error(`Swift does not start: ${said}`, { cause: error })
  }
  const keys = { region: 'eu-central-1', accessKeyId: 'test:tester', secretAccessKey: SECRET }
  return { url: `http://127.0.0.1:${proxyPort}`, keys, close }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => net.createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => new Promise((resolve) => server.once('listening', resolve))))
  const ports = servers.map((server) => (server.address() as net.AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

async function untilOpen(port: number, servers: ChildProcess[]): Promise<void> {
  for (const start = Date.now(); Date.now() - start < START_MS; await sleep(50)) {
    if (servers.some(({ exitCode, pid }) => exitCode !== null || pid === undefined)) break
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
    if (isOpen) return
  }
  throw new Error(`nothing listens at port ${port}`)
}

// Where each kind of data lies: on the one disk of the one server.
const RINGS = `
import sys
from swift.common.ring import RingBuilder
folder, *ports = sys.argv[1:]
for name, port in zip(('account', 'container', 'object'), map(int, ports)):
    builder = RingBuilder(4, 1, 0)
    at = {'ip': '127.0.0.1', 'port': port, 'replication_ip': '127.0.0.1', 'replication_port': port}
    builder.add_dev({'id': 0, 'region': 1, 'zone': 1, 'weight': 1, 'device': 'disk', **at})
    builder.rebalance()
    builder.get_ring().save(f'{folder}/{name}.ring.gz')
`

const SWIFT = `[swift-hash]
swift_hash_path_prefix = a
swift_hash_path_suffix = b
[storage-policy:0]
name = default
default = yes
`

// With no place to log to, errors go where the process writes.
const general = (folder: string, port: number) => `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
user = ${os.userInfo().username}
swift_dir = ${folder}
workers = 0
log_level = ERROR
log_address = ${folder}/none
`

const storageConf = (folder: string, kind: string, port: number) => `${general(folder, port)}
devices = ${folder}/disks
mount_check = false
disable_fallocate = true
[pipeline:main]
pipeline = ${kind}-server
[app:${kind}-server]
use = egg:swift#${kind}
`

const proxyConf = (folder: string, port: number) => `${general(folder, port)}
[pipeline:main]
pipeline = catch_errors gatekeeper cache listing_formats bulk s3api tempauth slo copy dlo versioned_writes proxy-server
[app:proxy-server]
use = egg:swift#proxy
allow_account_management = true
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:cache]
use = egg:swift#memcache
# It must have one, and does without.
memcache_servers = 127.0.0.1:1
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = eu-central-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = ${SECRET} .admin
[filter:slo]
use = egg:swift#slo
[filter:copy]
use = egg:swift#copy
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
`
