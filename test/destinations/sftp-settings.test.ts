import { describe, expect, it } from 'vitest'
import { createOutbound } from '../../src/destinations/outbound.ts'
import { sftp } from '../../src/destinations/sftp/driver.ts'

const driver = sftp({ outbound: createOutbound({ allow: [] }) })
const { settings: settingsOf, secrets: secretsOf } = driver.account ?? expect.fail('it has accounts')
/** The public half of some key. */
const ED25519 = 'AAAAC3NzaC1lZDI1NTE5AAAAIGwysIC8UK08iEF2kulJVzF2gO4swPfZ/jD3FdDtpbej'

describe('an account', () => {
  const settings = { host: 'sftp.example.com', username: 'acme' }
  it.each([
    [{ ...settings, host: 'sftp.example.com:2222' }, /no port/],
    [{ ...settings, host: 'localhost' }, /may not be reached/],
    [{ ...settings, host: '127.1' }, /may not be reached/],
    [{ ...settings, port: 2222 }, /port/],
    [{ ...settings, port: 0 }, /./],
    [{ ...settings, username: 'a\nb' }, /control character/],
    [{ ...settings, hostKey: 'MD5:aa:bb' }, /SHA256/],
    [{ host: settings.host }, /./],
  ])('is not stored with the settings %j', (given, message) => {
    expect(settingsOf.safeParse(given).error?.issues[0]?.message).toMatch(message)
    expect(settingsOf.safeParse(settings).data).toEqual({ ...settings, port: 22 })
  })

  it.each([
    [{}, 'password', /Give a password, or a private key/],
    [{ password: 'p', passphrase: 'x' }, 'passphrase', /no private key/],
    [{ privateKey: 'nonsense' }, 'privateKey', /no private key in OpenSSH's format/],
    [{ privateKey: `ssh-ed25519 ${ED25519} somebody@here` }, 'privateKey', /public key/],
    [{ privateKey: keyOfRounds(1_000_000), passphrase: 'x' }, 'privateKey', /takes too long/],
  ])('is not stored with the secrets of row %#', (given, field, message) => {
    const [issue] = secretsOf.safeParse(given).error?.issues ?? []
    expect(issue).toMatchObject({ path: [field], message: expect.stringMatching(message) })
  })
})

describe('the path of a destination', () => {
  const parse = (value: unknown) => driver.settings.safeParse({ path: value })
  it.each(['', '.', '/', '/srv/in', 'in/daily/', 'ünïcode/日本'])('%j is taken', (value) => {
    expect(parse(value).success).toBe(true)
  })
  it.each(['..', '../x', '/a/../b', 'a//b', 'a/./b', 'a\0b', 'a\nb', '\ud800', 'x'.repeat(256)])(
    '%j is refused',
    (value) => {
      expect(parse(value).success).toBe(false)
    },
  )
})

/** The beginning of an encrypted key, as far as it says how long it takes to open. */
function keyOfRounds(rounds: number): string {
  const text = (value: Buffer | string) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(Buffer.byteLength(value))
    return Buffer.concat([length, Buffer.from(value)])
  }
  const count = Buffer.alloc(4)
  count.writeUInt32BE(rounds)
  const options = text(Buffer.concat([text(Buffer.alloc(16)), count]))
  const blob = Buffer.concat([Buffer.from('openssh-key-v1\0'), text('aes256-ctr'), text('bcrypt'), options])
  const body = blob.toString('base64')
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${body}\n-----END OPENSSH PRIVATE KEY-----\n`
}
