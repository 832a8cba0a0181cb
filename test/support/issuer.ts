import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import type { TrustedIssuer } from '../../src/domain/ports.ts'

export type TestIssuer = Awaited<ReturnType<typeof testIssuer>>

/** An OpenID Connect provider, as far as a gateway sees of it: it signs tokens and serves its keys over HTTP. */
export async function testIssuer() {
  const keys: JWK[] = []
  let signing: { kid: string; key: CryptoKey }
  let fetches = 0
  let failure: number | null = null
  const server = http.createServer((_req, res) => {
    fetches += 1
    res.writeHead(failure ?? 200, { 'content-type': 'application/json' })
    res.end(JSON.stringify(failure ? { error: 'down' } : { keys }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const rotate = async () => {
    const kid = `key-${keys.length}`
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true })
    keys.push({ ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' })
    signing = { kid, key: privateKey }
  }
  await rotate()

  return {
    issuer,
    trusted: (changes: Partial<TrustedIssuer> = {}): TrustedIssuer => ({
      issuer,
      jwksUrl: `${issuer}/jwks.json`,
      audience: 'gateway',
      roleClaim: 'groups',
      roles: {
        admins: 'ADMIN',
        builders: 'OPERATOR',
        'all staff': 'VIEWER',
        readers: 'VIEWER',
        agencies: 'PARTNER',
      },
      sandboxClaim: 'sandbox',
      destinationsClaim: 'destinations',
      ...changes,
    }),
    /** A token of a reader, good for an hour, unless the claims say otherwise; undefined takes a claim away. */
    sign(claims: object = {}, header: object = {}, key = signing.key): Promise<string> {
      const now = Math.floor(Date.now() / 1000)
      const usual = {
        iss: issuer,
        aud: 'gateway',
        sub: 'user-1',
        groups: ['readers'],
        iat: now,
        exp: now + 3600,
      }
      return new SignJWT({ ...usual, ...claims })
        .setProtectedHeader({ alg: 'RS256', kid: signing.kid, typ: 'JWT', ...header })
        .sign(key)
    },
    rotate,
    /** Answers with this status from now on; null: as it should. */
    fail: (status: number | null) => {
      failure = status
    },
    fetches: () => fetches,
    async dispose() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
