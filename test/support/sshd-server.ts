// OpenSSH's own sshd on 127.0.0.1, serving SFTP from a temporary folder to one user, who logs in by key or by password.
// The user exists for this sshd alone (libnss_wrapper tells it of him), so nothing on the machine is changed, and it
// runs as root as well as for an ordinary user.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { hostKeyOf } from '../../src/destinations/sftp/host-key.ts'
import { needs } from './distribution-server.ts'

export interface SshdPrograms {
  sshd: string
  nssWrapper: string
}

/** Null: this machine lacks them; `npm test` says so. */
export function needsSshd(): SshdPrograms | null {
  const sshd = needs('sshd', { package: 'openssh-server' })
  const nssWrapper = needs('libnss_wrapper.so', { package: 'libnss-wrapper' })
  return sshd && nssWrapper ? { sshd, nssWrapper } : null
}

export interface SshdServer {
  port: number
  username: string
  password: string
  /** In OpenSSH's format. */
  privateKey: string
  /** Where the login begins. */
  home: string
  /** SHA256:…, of the type that clients like best. */
  fingerprint: string
  /** Of its other key, an RSA one. */
  rsaFingerprint: string
  /** Lets the user log in with another key, given as in a .pub file. */
  authorize(publicKey: string): void
  /** What the server has logged so far. */
  log(): string
  /** Ends every session as a crash of its process would. */
  killSessions(): void
  /** How many connections are open. */
  sessions(): number
  close(): Promise<void>
}
export interface SshdOptions {
  /** To come back as another server, or as the same one. */
  port?: number
  /** More lines of sshd_config; the first of a kind counts. */
  config?: string[]
  /** No file may become larger: what a full disk looks like to a client. */
  maxFileKb?: number
}

const USERNAME = 'gateway'
const PASSWORD = 'quiet-harbour-42'
/** Of that password, as in /etc/shadow. */
const SHADOW =
  '$6$gatewaytest$U1a.B2odD8fZWGiwAt.8qb6bYsfwwisWIzdMX.z8NQ4HItB3aU.yCIxa7E2GHE43UdZ3rjCsbKzzNjMcfJqLw0'
const IS_ROOT = process.getuid?.() === 0
/** Where root starts it, the user has no rights that matter; otherwise he is the one who runs the tests. */
const [UID, GID] = IS_ROOT ? [65_534, 65_534] : [process.getuid?.(), process.getgid?.()]

export async function sshdServer(
  programs: SshdPrograms,
  { port: wanted, config = [], maxFileKb }: SshdOptions = {},
): Promise<SshdServer> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-sshd-'))
  const port = wanted ?? (await freePort())
  const home = path.join(folder, 'home')
  const { authorize, ...keys } = furnish({ folder, home, port, config })
  if (IS_ROOT) fs.mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })

  const file = path.join(folder, 'sshd_config')
  const sshd = [programs.sshd, '-D', '-e', '-f', file, ...lenient(programs.sshd, file)]
  const limited = ['sh', '-c', `trap '' XFSZ; ulimit -f ${2 * (maxFileKb ?? 0)}; exec "$@"`, 'sh', ...sshd]
  const [command = '', ...args] = maxFileKb ? limited : sshd
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      PATH: process.env.PATH,
      LD_PRELOAD: programs.nssWrapper,
      NSS_WRAPPER_PASSWD: path.join(folder, 'passwd'),
      NSS_WRAPPER_GROUP: path.join(folder, 'group'),
      NSS_WRAPPER_SHADOW: path.join(folder, 'shadow'),
    },
  })
  let log = ''
  await new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text) => {
      log += text
      if (log.includes('Server listening')) resolve()
    })
    child.on('error', reject).on('exit', () => reject(new Error(`sshd did not start: ${log}`)))
  })
  const pid = child.pid as number

  return {
    port,
    username: USERNAME,
    password: PASSWORD,
    home,
    ...keys,
    authorize,
    log: () => log,
    killSessions: () => kill(descendantsOf(pid)),
    sessions: () => childrenOf(pid).length,
    async close() {
      kill(descendantsOf(pid))
      if (child.exitCode === null && child.signalCode === null) {
        child.kill()
        await once(child, 'exit')
      }
      fs.rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Newer ones lock an address out for a while after logins that failed, which are many here. */
function lenient(sshd: string, file: string): string[] {
  const option = ['-o', 'PerSourcePenalties=no']
  return spawnSync(sshd, ['-t', '-f', file, ...option]).status === 0 ? option : []
}

/** The files that it reads, and the user's folder. */
function furnish(options: { folder: string; home: string; port: number; config: string[] }) {
  const { folder, home, port, config } = options
  const file = (name: string) => path.join(folder, name)
  const write = (name: string, text: string, mode = 0o644) => fs.writeFileSync(file(name), text, { mode })
  fs.chmodSync(folder, 0o755)
  fs.mkdirSync(home)
  if (IS_ROOT) fs.chownSync(home, UID as number, GID as number)
  const publicKey = keyPair(file('user'), 'ed25519')
  const hostKey = keyPair(file('host_ed25519'), 'ed25519')
  const rsaKey = keyPair(file('host_rsa'), 'rsa')
  write('authorized_keys', publicKey)
  // Its own user for what it does before the login is needed by root alone.
  const shell = `/:${process.execPath}`
  const other = IS_ROOT ? `root:x:0:0::${shell}\nsshd:x:${UID}:${GID}::${shell}\n` : ''
  write('passwd', `${USERNAME}:x:${UID}:${GID}::${home}:${process.execPath}\n${other}`)
  write('group', `${USERNAME}:x:${GID}:\n`)
  write('shadow', `${USERNAME}:${SHADOW}:19000:0:99999:7:::\n`)
  const lines = [
    ...config,
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${file('host_ed25519')}`,
    `HostKey ${file('host_rsa')}`,
    `AuthorizedKeysFile ${file('authorized_keys')}`,
    'PidFile none',
    'UsePAM no',
    'StrictModes no',
    'KbdInteractiveAuthentication no',
    'LogLevel VERBOSE',
    'Subsystem sftp internal-sftp',
    'ForceCommand internal-sftp',
  ]
  write('sshd_config', `${lines.join('\n')}\n`)
  return {
    privateKey: fs.readFileSync(file('user'), 'utf8'),
    fingerprint: fingerprintOf(hostKey),
    rsaFingerprint: fingerprintOf(rsaKey),
    authorize: (key: string) => fs.appendFileSync(file('authorized_keys'), key),
  }
}

function fingerprintOf(publicKey: string): string {
  return hostKeyOf(Buffer.from(publicKey.split(' ')[1] ?? '', 'base64')).fingerprint
}

/** Makes a key in a file, and gives its public half; by OpenSSH itself, so that the library is tested against it. */
export function keyPair(file: string, type: string, passphrase = ''): string {
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-f', file])
  return fs.readFileSync(`${file}.pub`, 'utf8')
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function childrenOf(pid: number): number[] {
  const pids = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map(Number).filter((child) => parentOf(child) === pid)
}

function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)])
}

function parentOf(pid: number): number | null {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(parent)
  } catch {
    return null // it has just ended
  }
}

function kill(pids: number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {} // it has just ended
  }
}
