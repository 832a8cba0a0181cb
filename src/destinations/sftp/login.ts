// Where and as whom to log in: what an account of SFTP is made of, checked before it is stored.
import net from 'node:net'
import ssh2 from 'ssh2'
import { z } from 'zod'
import type { OpenAccount } from '../driver.ts'
import type { Outbound } from '../outbound.ts'
import type { PinnedKey } from './host-key.ts'

export interface Login {
  host: string
  port: number
  username: string
  password?: string
  privateKey?: string
  passphrase?: string
  /** Null before the first login: then the server's key is learnt. */
  pin: PinnedKey | null
}

const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}=?$/
/** Deriving a key from a passphrase blocks; `ssh-keygen` takes 16 or 24 rounds unless told otherwise. */
const MAX_ROUNDS = 500

export function accountSettings(outbound: Outbound) {
  return z
    .strictObject({
      host: z
        .string()
        .min(1)
        .max(255)
        .refine((host) => !host.includes(':') || net.isIPv6(host), 'host has no port in it: give it as port.')
        .meta({
          title: 'Host',
          description: 'Name or address of the server.',
          examples: ['sftp.example.com'],
        }),
      port: z
        .int()
        .min(1)
        .max(65_535)
        .default(22)
        .meta({ title: 'Port', description: 'The port that the server listens on.' }),
      username: z
        .string()
        .min(1)
        .max(255)
        .regex(/^\P{Cc}+$/u, 'username holds a control character.')
        .meta({ title: 'User', description: 'The name of the user to log in as.', examples: ['acme'] }),
      hostKey: z
        .string()
        .regex(
          FINGERPRINT,
          'hostKey is a fingerprint as `ssh-keygen -l` shows it: SHA256: and 43 characters.',
        )
        .transform((value) => value.replace(/=$/, ''))
        .optional()
        .meta({
          title: 'Host key',
          description:
            "The server's fingerprint (SHA256:…). Without one, the first login decides which key is trusted.",
        }),
    })
    .superRefine(({ host, port }, ctx) => {
      const refusal = outbound.refusalOf(net.isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`)
      if (refusal) ctx.addIssue({ code: 'custom', message: refusal, path: ['host'] })
    })
}

export const accountSecrets = z
  .strictObject({
    password: z
      .string()
      .min(1)
      .max(1000)
      .optional()
      .meta({
        title: 'Password',
        description: "The user's password, where the server takes one.",
        examples: ['correct horse battery staple'],
      }),
    privateKey: z.string().min(1).max(32_000).transform(pemOf).optional().meta({
      title: 'Private key',
      description:
        "A key in OpenSSH's format or as PEM, in place of a password; base64 of either is taken, too.",
    }),
    passphrase: z
      .string()
      .min(1)
      .max(1000)
      .optional()
      .meta({ title: 'Passphrase', description: 'Of the private key, where it has one.' }),
  })
  .superRefine(({ password, privateKey, passphrase }, ctx) => {
    const refuse = (path: string, message: string) => ctx.addIssue({ code: 'custom', path: [path], message })
    if (privateKey !== undefined) {
      const refusal = refusalOfKey(privateKey, passphrase)
      if (refusal) refuse('privateKey', refusal)
    } else if (passphrase !== undefined) refuse('passphrase', 'There is no private key that it is for.')
    else if (password === undefined) refuse('password', 'Give a password, or a private key.')
  })

/** The login that a stored account stands for. Settings win over what an earlier login told. */
export function loginOf({ settings, details, secrets }: OpenAccount): Login {
  // Parsed by the schemas above when they were stored; the details are our own.
  const { hostKey, ...where } = settings as z.infer<ReturnType<typeof accountSettings>>
  const known = details as { hostKey: string; hostKeyType: string } | null
  const fingerprint = hostKey ?? known?.hostKey
  const type = known && known.hostKey === fingerprint ? known.hostKeyType : null
  const what = secrets as Pick<Login, 'password' | 'privateKey' | 'passphrase'>
  return { ...where, ...what, pin: fingerprint ? { fingerprint, type } : null }
}

/** As people write it: sftp.example.com, or [2001:db8::1]:2222. */
export function addressOf({ host, port }: Pick<Login, 'host' | 'port'>): string {
  return `${net.isIPv6(host) ? `[${host}]` : host}${port === 22 ? '' : `:${port}`}`
}

function pemOf(value: string): string {
  const text = value.trim()
  const isPlain = /^(----|PuTTY|ssh-|ecdsa-)/.test(text)
  return `${isPlain ? text : Buffer.from(text, 'base64').toString().trim()}\n`
}

function refusalOfKey(privateKey: string, passphrase: string | undefined): string | null {
  if (roundsOf(privateKey) > MAX_ROUNDS)
    return `The passphrase of this key takes too long to check: give a key of at most ${MAX_ROUNDS} rounds (ssh-keygen -a).`
  const parsed = ssh2.utils.parseKey(privateKey, passphrase)
  const key = Array.isArray(parsed) ? parsed[0] : parsed
  if (!(key instanceof Error))
    return key?.isPrivateKey() ? null : 'This is a public key. Give the private one.'
  if (/no passphrase/i.test(key.message)) return 'This key has a passphrase. Give it, too.'
  if (/bad passphrase|integrity|decrypt/i.test(key.message)) return 'The passphrase is not that of this key.'
  return "This is no private key in OpenSSH's format or as PEM. `ssh-keygen -p -f FILE` rewrites a key in that format."
}

/** How often a passphrase is hashed, as the key itself says (PROTOCOL.key of OpenSSH). */
function roundsOf(privateKey: string): number {
  const match = /-----BEGIN OPENSSH PRIVATE KEY-----([^-]+)/.exec(privateKey)
  const blob = Buffer.from(match?.[1] ?? '', 'base64')
  try {
    let at = 'openssh-key-v1\0'.length
    for (const _ of ['cipher', 'kdf']) at += 4 + blob.readUInt32BE(at)
    const salt = at + 4
    return blob.readUInt32BE(at) === 0 ? 0 : blob.readUInt32BE(salt + 4 + blob.readUInt32BE(salt))
  } catch {
    return 0 // no such key, or cut short: reading it says so
  }
}
