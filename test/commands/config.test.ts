import path from 'node:path'
import { expect, test } from 'vitest'
import { ConfigError, readConfig } from '../../src/config.ts'

test('without any variable every setting has its default', () => {
  const config = readConfig({})
  expect(config).toMatchObject({
    host: '127.0.0.1',
    port: 4000,
    dataDir: path.resolve('data'),
    databaseUrl: `file:${path.resolve('data/gateway.db')}`,
    exportRoot: path.resolve('data/exports'),
    outboundAllow: [],
    adminToken: null,
    segmentationCron: '0 0 * * *',
    logLevel: 'info',
    organizationId: 'local@gateway',
    graphiql: true,
    introspection: 'authenticated',
    guardrails: { maxSegmentsPerActivation: 80, minSecondsBetweenMappingAndAdHoc: 1200 },
    client: { url: 'http://127.0.0.1:4000', token: null },
  })
  expect(config.workers).toBeGreaterThanOrEqual(1)
})

test('every problem is told at once, with the name of its variable', () => {
  const read = () =>
    readConfig({
      PORT: '65536',
      WORKERS: '0',
      LOG_LEVEL: 'loud',
      DATABASE_URL: 'mysql://x',
      GRAPHIQL: 'perhaps',
    })
  expect(read).toThrow(ConfigError)
  for (const name of ['PORT', 'WORKERS', 'LOG_LEVEL', 'DATABASE_URL', 'GRAPHIQL'])
    expect(read).toThrow(`${name}: `)
})

test('the schedule of segmentation is a pattern of cron that comes, or off', () => {
  const read = (SEGMENTATION_CRON: string) => readConfig({ SEGMENTATION_CRON }).segmentationCron
  expect(read('30 2 * * MON-FRI')).toBe('30 2 * * MON-FRI')
  expect([read('off'), read(' OFF '), read('false')]).toEqual([null, null, null])
  expect(() => read('x'.repeat(101))).toThrow('SEGMENTATION_CRON: must have at most 100 characters')
  const wrong = ['daily', '* * * * * *', '61 * * * *', '0 0 * * 8', '0 0 30 2 *', '0 24 * * *']
  for (const pattern of wrong) {
    expect(() => read(pattern)).toThrow(/^SEGMENTATION_CRON: .{10,300}like 0 0 \* \* \*, or off$/)
  }
})

const OIDC = {
  OIDC_ISSUER: 'https://id.example.com/',
  OIDC_JWKS_URL: 'https://id.example.com/keys',
  OIDC_AUDIENCE: 'gateway',
  OIDC_ROLES: 'ops=OPERATOR, cn=staff = VIEWER',
}

test('a trusted issuer is described in full or not at all', () => {
  expect(readConfig({}).trustedIssuer).toBeNull()
  expect(readConfig(OIDC).trustedIssuer).toEqual({
    issuer: OIDC.OIDC_ISSUER,
    jwksUrl: OIDC.OIDC_JWKS_URL,
    audience: 'gateway',
    roles: { ops: 'OPERATOR', 'cn=staff': 'VIEWER' },
    roleClaim: 'roles',
    sandboxClaim: null,
    destinationsClaim: null,
  })
  expect(() => readConfig({ OIDC_ROLE_CLAIM: 'groups' })).toThrow(
    'OIDC_ISSUER: is needed where OIDC_ROLE_CLAIM is set\nOIDC_JWKS_URL: ',
  )
})

test.each([
  ['OIDC_JWKS_URL', 'http://id.example.com/keys'],
  ['OIDC_JWKS_URL', 'file:///etc/passwd'],
  ['OIDC_ROLES', 'ops=OPERATOR,staff'],
  ['OIDC_ROLES', 'ops=BOSS'],
])('%s=%s is refused', (name, value) => {
  expect(() => readConfig({ ...OIDC, [name]: value })).toThrow(`${name}: `)
})

test('an empty variable counts as absent', () => {
  expect(readConfig({ PORT: '', ADMIN_TOKEN: ' ' })).toMatchObject({ port: 4000, adminToken: null })
})

test('the editor is on by default only where nobody else can reach it', () => {
  expect(readConfig({ HOST: '0.0.0.0' }).graphiql).toBe(false)
  expect(readConfig({ HOST: '::1' }).graphiql).toBe(true)
  expect(readConfig({ HOST: '0.0.0.0', GRAPHIQL: 'on' }).graphiql).toBe(true)
})

test('the wait before an ad-hoc run may be zero', () => {
  expect(readConfig({ MIN_MINUTES_BEFORE_AD_HOC: '0' }).guardrails.minSecondsBetweenMappingAndAdHoc).toBe(0)
})

test.each([
  ['file:some/where.db', `file:${path.resolve('some/where.db')}`],
  ['file:/some/where.db', 'file:/some/where.db'],
  ['file:///some/where.db', 'file:/some/where.db'],
  ['postgres://host/name', 'postgres://host/name'],
])('DATABASE_URL=%s is understood', (url, expected) => {
  expect(readConfig({ DATABASE_URL: url }).databaseUrl).toBe(expected)
})

test.each(['file:', 'file://host/x', 'file::memory:', 'sqlite:x', 'x.db'])(
  'DATABASE_URL=%s is refused',
  (url) => {
    expect(() => readConfig({ DATABASE_URL: url })).toThrow('DATABASE_URL')
  },
)

test('settings cannot be changed after they were read', () => {
  const config = readConfig({})
  expect(Object.isFrozen(config) && Object.isFrozen(config.guardrails)).toBe(true)
})

test('only trusted documents need a folder of them', () => {
  expect(() => readConfig({ TRUSTED_DOCUMENTS_ONLY: 'true' })).toThrow('TRUSTED_DOCUMENTS_ONLY: needs')
  const { folder, only } = readConfig({
    TRUSTED_DOCUMENTS_ONLY: 'true',
    TRUSTED_DOCUMENTS: 'x',
  }).trustedDocuments
  expect([path.isAbsolute(folder ?? ''), only]).toEqual([true, true])
})

test('what destinations may reach is a list of names, addresses and ranges', () => {
  const given = 'minio.lan, minio.lan:9000,10.0.0.0/8,[fd00::1]:22,fd00::/8,*:2222,http://127.0.0.1:9000'
  expect(readConfig({ OUTBOUND_ALLOW: given }).outboundAllow).toEqual(given.split(/, ?/))
})

test.each([
  'https://minio.lan',
  'minio.lan/',
  'minio.lan:0',
  'minio.lan:65536',
  'minio.lan:x',
  '10.0.0.0/33',
  'fd00::/129',
  'fd00::1/x',
  'minio.lan/8',
  '*/8',
  '*.lan',
  'a b',
  'user@minio.lan',
  'ftp://minio.lan',
  '[minio.lan]',
  'a..b',
])('OUTBOUND_ALLOW=%s is refused, whatever stands beside it', (entry) => {
  const read = () => readConfig({ OUTBOUND_ALLOW: `minio.lan,${entry},%` })
  expect(read).toThrow(`OUTBOUND_ALLOW: ${JSON.stringify(entry)} is none of`)
  expect(read).toThrow('OUTBOUND_ALLOW: "%" is none of')
})

test('what has ended is kept for as many days as the settings say', () => {
  expect(readConfig({}).retention).toEqual({
    runEventsDays: 90,
    rejectionsDays: 30,
    runsDays: null,
    idempotencyKeysDays: 1,
    snapshotsDays: 365,
    auditDays: 365,
  })
  const { retention } = readConfig({ RETENTION_RUNS_DAYS: '400', RETENTION_RUN_EVENTS_DAYS: 'off' })
  expect(retention).toMatchObject({ runsDays: 400, runEventsDays: null })
  for (const value of ['0', '-1', '1.5', 'never', '100000']) {
    expect(() => readConfig({ RETENTION_AUDIT_DAYS: value }), value).toThrow('RETENTION_AUDIT_DAYS: ')
  }
  const contrary = { RETENTION_RUNS_DAYS: '2', RETENTION_IDEMPOTENCY_KEYS_DAYS: '3' }
  expect(() => readConfig(contrary)).toThrow('RETENTION_RUNS_DAYS: must not be less')
})
