import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import path from 'node:path'
import ssh2 from 'ssh2'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { DeliveryError, type OpenAccount } from '../../src/destinations/driver.ts'
import { createOutbound } from '../../src/destinations/outbound.ts'
import { sftp } from '../../src/destinations/sftp/driver.ts'
import { deliveryTarget } from '../support/delivery-target.ts'
import { toLoopback } from '../support/outbound.ts'
import { sftpAccount, sftpScene } from '../support/sftp-scene.ts'
import { keyPair, needsSshd, type SshdPrograms, type SshdServer, sshdServer } from '../support/sshd-server.ts'

const programs = needsSshd()
const driver = sftp({ outbound: toLoopback, patience: { login: 3_000, idle: 3_000 } })
const patient = new AbortController().signal
const { settings: settingsOf, secrets: secretsOf } = driver.account ?? expect.fail('it has accounts')

const verify = (account: OpenAccount, signal = patient) =>
  driver.account?.verify(account, signal) ?? expect.fail('it has accounts')
const refusal = async (work: Promise<unknown>): Promise<DeliveryError> => {
  const error = await work.then(
    () => new Error('it is not refused'),
    (thrown) => thrown,
  )
  if (!(error instanceof DeliveryError)) throw error
  return error
}
const tries = (server: SshdServer) => server.log().match(/^(Failed|Accepted|Invalid)/gm)?.length ?? 0
const logins = (server: SshdServer) => server.log().match(/^Connection from/gm)?.length ?? 0

describe.runIf(programs)('a login at sshd', () => {
  const { scene } = sftpScene(programs)
  /** Before the first login. */
  const unknown = (): OpenAccount => ({ ...sftpAccount(scene.server), details: null })
  const learnt = () => sftpAccount(scene.server).details

  it('by key, by password, or by a key in base64, tells the host key and where it begins', async () => {
    const { password, privateKey } = scene.server
    const base64 = Buffer.from(privateKey).toString('base64')
    for (const given of [
      { privateKey },
      { password },
      { privateKey: base64 },
      { privateKey: `\n${privateKey}` },
    ]) {
      expect(await verify({ ...unknown(), secrets: secretsOf.parse(given) })).toEqual(learnt())
    }
  })

  it.each(['ed25519', 'ecdsa', 'rsa'])('by a key of the type %s with a passphrase', async (type) => {
    const file = path.join(scene.server.home, `key-${type}`)
    scene.server.authorize(keyPair(file, type, 'pass phrase'))
    const secrets = { privateKey: fs.readFileSync(file, 'utf8'), passphrase: 'pass phrase' }
    expect(secretsOf.safeParse({ privateKey: secrets.privateKey }).error?.issues[0]?.message).toMatch(
      /passphrase/,
    )
    expect(secretsOf.safeParse({ ...secrets, passphrase: 'no' }).error?.issues[0]?.message).toMatch(
      /not that of/,
    )
    expect(await verify({ ...unknown(), secrets: secretsOf.parse(secrets) })).toEqual(learnt())
  })

  it.each(['password', 'key'])('with a wrong %s is refused at once, and tried once', async (what) => {
    const server = await sshdServer(programs as SshdPrograms)
    try {
      const other = { password: 'not-the-password', privateKey: scene.server.privateKey }
      const secrets = what === 'key' ? { privateKey: other.privateKey } : { password: other.password }
      const account = { ...sftpAccount(server), secrets }
      const error = await refusal(verify(account))
      expect(error).toMatchObject({ code: 'REFUSED_LOGIN', retryable: false })
      expect(error.message).toBe(
        `127.0.0.1:${server.port} refused the ${what} of "gateway". It takes: publickey, password.`,
      )
      await vi.waitFor(() => expect(server.log()).toMatch(/\[preauth\]/))
      expect([logins(server), tries(server)]).toEqual([1, 1])
    } finally {
      await server.close()
    }
  })

  it('knows the server by its key alone, whatever the type that is pinned', async () => {
    const { rsaFingerprint, fingerprint } = scene.server
    for (const [hostKey, hostKeyType] of [
      [rsaFingerprint, 'ssh-rsa'],
      [`${fingerprint}=`, 'ssh-ed25519'],
    ] as const) {
      const settings = settingsOf.parse({ ...unknown().settings, hostKey })
      const details = await verify({ ...unknown(), settings })
      expect(details).toMatchObject({ hostKey: hostKey.replace('=', ''), hostKeyType })
      expect(await verify({ ...unknown(), details })).toEqual(details)
    }
  })

  it('delivers nothing before the host key is known', async () => {
    const target = deliveryTarget({ runId: 'run_1', fence: 1, settings: { path: '' }, account: unknown() })
    const error = await refusal(driver.deliverFiles?.(target) ?? expect.fail())
    expect(error).toMatchObject({ code: 'BAD_SETTINGS', retryable: false })
    expect(error.message).toMatch(/Verify the account/)
  })
})

// Case 78 of the faults.
describe.runIf(programs)('another server at the same address', () => {
  it('is told nothing, not even who asks, and both keys are named', async () => {
    const server = await sshdServer(programs as SshdPrograms)
    const account = sftpAccount(server)
    const before = server.fingerprint
    await server.close()
    const other = await sshdServer(programs as SshdPrograms, { port: server.port })
    try {
      const target = deliveryTarget({ runId: 'run_1', fence: 1, settings: { path: '' }, account })
      for (const work of [() => verify(account), async () => driver.deliverFiles?.(target)]) {
        const error = await refusal(work())
        expect(error).toMatchObject({ code: 'HOST_KEY_CHANGED', retryable: false })
        expect(error.message).toContain(`should be ${before}, and is ${other.fingerprint} (ssh-ed25519)`)
        expect(error.message).toContain("update the account's settings")
      }
      await vi.waitFor(() => expect(logins(other)).toBe(2))
      expect(tries(other)).toBe(0)
      expect(other.log()).not.toContain(server.username)
      const { details, ...unknown } = account
      const { privateKey } = other
      expect(await verify({ ...unknown, details: null, secrets: { privateKey } })).toMatchObject({
        hostKey: other.fingerprint,
      })
    } finally {
      await other.close()
    }
  })
})

describe.runIf(programs)('a server', () => {
  it.each([
    [
      'takes no passwords',
      ['PasswordAuthentication no'],
      'REFUSED_LOGIN',
      /does not have\. It takes: publickey\./,
    ],
    ['offers only SHA-1', ['KexAlgorithms diffie-hellman-group14-sha1'], 'BAD_SETTINGS', /no longer safe/],
    ['offers only CBC', ['Ciphers aes128-cbc'], 'BAD_SETTINGS', /no longer safe/],
    ['has no room for sessions', ['MaxSessions 0'], 'BAD_SETTINGS', /offers this user no SFTP/],
  ])('that %s is refused in words that help', async (_, config, code, message) => {
    const server = await sshdServer(programs as SshdPrograms, { config })
    try {
      const secrets = { password: server.password }
      const error = await refusal(verify({ ...sftpAccount(server), secrets }))
      expect(error).toMatchObject({ code, retryable: false })
      expect(error.message).toMatch(message)
    } finally {
      await server.close()
    }
  })

  it('that wants both a key and a password gets both', async () => {
    const config = ['AuthenticationMethods publickey,password']
    const server = await sshdServer(programs as SshdPrograms, { config })
    try {
      const account = sftpAccount(server)
      const both = { privateKey: server.privateKey, password: server.password }
      expect(await verify({ ...account, secrets: both })).toEqual(account.details)
      expect(await refusal(verify(account))).toMatchObject({ code: 'REFUSED_LOGIN' })
    } finally {
      await server.close()
    }
  })
})

describe('a server that asks in words', () => {
  const servers: { close(): void }[] = []
  let hostKey = ''
  beforeAll(() => {
    hostKey = generateKeyPairSync('rsa', { modulusLength: 2048 })
      .privateKey.export({ type: 'pkcs1', format: 'pem' })
      .toString()
  })
  afterEach(() => {
    for (const server of servers.splice(0)) server.close()
  })
  /** sshd asks in words through PAM alone, which belongs to the machine; so this one is the library's own. */
  async function asking(prompts: ssh2.Prompt[]): Promise<{ account: OpenAccount; answers: string[][] }> {
    const answers: string[][] = []
    const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
      client.on('error', () => {})
      client.on('authentication', (context) => {
        if (context.method !== 'keyboard-interactive') return context.reject(['keyboard-interactive'])
        context.prompt(prompts, (given) => {
          answers.push(given)
          if (given[0] === 'right') context.accept()
          else context.reject(['keyboard-interactive'])
        })
      })
    })
    servers.push(server)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const settings = { host: '127.0.0.1', port, username: 'gateway' }
    return { answers, account: { settings, details: null, secrets: { password: 'right' } } }
  }
  const prompt = [{ prompt: 'Password:', echo: false }]

  it('gets the password; that it has no SFTP is said', async () => {
    const { account, answers } = await asking(prompt)
    expect(await refusal(verify(account))).toMatchObject({ code: 'BAD_SETTINGS' })
    expect(answers).toEqual([['right']])
  })

  it('is asked once', async () => {
    const { account, answers } = await asking(prompt)
    const error = await refusal(verify({ ...account, secrets: { password: 'wrong' } }))
    expect(error).toMatchObject({ code: 'REFUSED_LOGIN', retryable: false })
    expect(answers).toEqual([['wrong']])
  })

  it('for more than a password gets nothing', async () => {
    const { account, answers } = await asking([...prompt, { prompt: 'Code:', echo: true }])
    expect(await refusal(verify(account))).toMatchObject({ code: 'REFUSED_LOGIN', retryable: false })
    expect(answers).toEqual([['', '']])
  })
})

describe('an address where', () => {
  const servers: net.Server[] = []
  const sockets = new Set<net.Socket>()
  afterEach(() => {
    for (const socket of sockets) socket.destroy()
    for (const server of servers.splice(0)) server.close()
  })
  async function at(onConnection: (socket: net.Socket) => void): Promise<OpenAccount> {
    const server = net.createServer((socket) => {
      sockets.add(socket.on('error', () => {}))
      onConnection(socket)
    })
    servers.push(server)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    return { settings: { host: '127.0.0.1', port, username: 'u' }, details: null, secrets: { password: 'p' } }
  }

  it.each([
    ['nobody says a word', () => {}, /did not answer the login in time/],
    ['the other side hangs up', (socket: net.Socket) => void socket.end(), /Connection lost|closed/],
    [
      'something else answers',
      (socket: net.Socket) => void socket.end('HTTP/1.1 400 Bad\r\n\r\n'),
      /failed|closed/,
    ],
  ])('%s is unavailable', async (_, onConnection, message) => {
    const error = await refusal(verify(await at(onConnection)))
    expect(error).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
    expect(error.message).toMatch(message)
  })

  it('nobody listens is unavailable, and one that may not be reached is not reached', async () => {
    const account = await at(() => {})
    for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve))
    expect(await refusal(verify(account))).toMatchObject({ code: 'UNAVAILABLE', retryable: true })
    const strict = sftp({ outbound: createOutbound({ allow: [] }) })
    const refused = strict.account?.verify(account, patient) ?? expect.fail()
    expect(await refusal(refused)).toMatchObject({ code: 'REFUSED_ADDRESS', retryable: false })
  })

  it('nobody answers is left at once when the caller gives up', async () => {
    const account = await at(() => {})
    const giveUp = new AbortController()
    const reason = new Error('enough')
    setTimeout(() => giveUp.abort(reason), 50)
    await expect(verify(account, giveUp.signal)).rejects.toBe(reason)
  })
})
