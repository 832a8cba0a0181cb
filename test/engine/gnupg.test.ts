// Files opened by GnuPG, which most recipients use: keys that it makes are taken, and files to them are opened.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { recipientOf } from '../../src/engine/encryption.ts'
import { partOutput } from '../../src/engine/part-output.ts'
import { checkPublicKey } from '../../src/services/public-key.ts'
import { needs } from '../support/distribution-server.ts'
import { csvFormat } from '../support/export-scene.ts'

const gpg = needs('gpg', { package: 'gnupg' })
const home = fs.mkdtempSync(path.join(os.tmpdir(), 'gnupg-'))
const run = (args: string[], input?: Uint8Array) =>
  execFileSync(gpg ?? 'gpg', ['--homedir', home, '--batch', '--quiet', '--no-tty', ...args], {
    input,
    stdio: ['pipe', 'pipe', 'ignore'],
    maxBuffer: 100 * 1024 * 1024,
  })
afterAll(() => {
  if (gpg) execFileSync('gpgconf', ['--homedir', home, '--kill', 'all'])
  fs.rmSync(home, { recursive: true, force: true })
})

describe.runIf(gpg)('GnuPG', () => {
  it.each(['rsa3072', 'future-default'])(
    'opens what was encrypted to its key of the kind %s',
    async (kind) => {
      const user = `${kind}@example.com`
      run(['--passphrase', '', '--quick-generate-key', user, kind, 'default', 'never'])
      if (kind === 'rsa3072') {
        const made = run(['--with-colons', '--fingerprint', user]).toString()
        const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(made)?.[1] ?? ''
        run(['--passphrase', '', '--quick-add-key', fingerprint, 'rsa3072', 'encrypt', 'never'])
      }
      const publicKey = run(['--armor', '--export', user]).toString()
      expect(await checkPublicKey(publicKey, [], new Date())).toEqual([])

      const left: Buffer[] = []
      const part = partOutput({ ...csvFormat, compression: 'GZIP', publicKey }, async (bytes) => {
        left.push(Buffer.from(bytes))
      })
      const pages = Array.from({ length: 12 }, () => randomBytes(200_000))
      for (const page of pages) await part.write(page)
      await part.end()
      const opened = run(['--decrypt'], Buffer.concat(left))
      expect(gunzipSync(opened).equals(Buffer.concat(pages))).toBe(true)
      const { fingerprint } = await recipientOf(publicKey)
      expect(run(['--with-colons', '--fingerprint', user]).toString()).toContain(fingerprint)
    },
  )
})
