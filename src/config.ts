// The only reader of process.env: settings are parsed once, all problems are told together, and the result is frozen.
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { z } from 'zod'
import {
  allowList,
  cronPattern,
  days,
  flag,
  integer,
  jwksUrl,
  LOOPBACK,
  oneOf,
  roleMap,
  secretsKey,
} from './config-forms.ts'
import type { Guardrails, Retention, TrustedIssuer } from './domain/ports.ts'

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

export interface Config {
  host: string
  /** 0 takes a free one. */
  port: number
  /** Folder of the database and of local exports, absolute. */
  dataDir: string
  /** `file:/absolute/path`, or `postgres://…`. */
  databaseUrl: string
  /** Connections to a PostgreSQL database that this process keeps for what is short. */
  databasePoolSize: number
  /** The only folder that LOCAL_DIRECTORY destinations write below, absolute. */
  exportRoot: string
  /** What destinations may reach besides the public internet by https and SSH. */
  outboundAllow: string[]
  /** Bearer token of an administrator, or null: one is made on the first start. */
  adminToken: string | null
  /** 32 bytes in base64 that seal the secrets of accounts, or null: they are in DATA_DIR/secrets.key. */
  secretsKey: string | null
  /** The key that sealed before, while keys are rotated; null where there is none, or the keys are in the file. */
  secretsKeyOld: string | null
  /** Export threads in this process. */
  workers: number
  /** When segments are evaluated without being asked, as a pattern of cron in UTC; null: never. */
  segmentationCron: string | null
  logLevel: (typeof LOG_LEVELS)[number]
  organizationId: string
  graphiql: boolean
  introspection: 'always' | 'authenticated' | 'never'
  /** An outside issuer whose tokens are trusted, or null. */
  trustedIssuer: TrustedIssuer | null
  /** What one token may ask in a minute, over all its connections to this process. */
  requestsPerMinute: number
  /** The folder of documents that clients may ask for by id, absolute, and whether nothing else is executed. */
  trustedDocuments: { folder: string | null; only: boolean }
  guardrails: Guardrails
  retention: Retention
  /** Live at the same time, over all connections. */
  maxSubscriptionsPerToken: number
  /** Where and as whom the commands that go through the API call it. */
  client: { url: string; token: string | null }
}

/** Settings cannot be used. One line per problem, each naming its variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: string[]
  constructor(problems: string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

/**
 * Reads the settings. An empty variable counts as absent.
 * @throws ConfigError listing every problem
 */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()))
  const parsed = consistent.safeParse(given)
  if (!parsed.success) {
    throw new ConfigError(
      parsed.error.issues.map((issue) => `${issue.path.join('.') || 'settings'}: ${issue.message}`),
    )
  }
  return deepFreeze(toConfig(parsed.data))
}

const settings = z.object({
  HOST: z
    .string()
    .regex(/^[\w.:%-]{1,253}$/, 'must be a host name or an IP address')
    .default('127.0.0.1'),
  PORT: integer(0, 65_535).default(4000),
  DATA_DIR: z.string().default('./data'),
  DATABASE_URL: z
    .string()
    .refine(
      (url) => /^file:(\/{3}|\/(?!\/)|[^/:])[^?]*$/.test(url) || /^postgres(ql)?:\/\/./.test(url),
      'must be file:PATH or postgres://…',
    )
    .optional(),
  DATABASE_POOL_SIZE: integer(1, 1_000).default(10),
  EXPORT_ROOT: z.string().optional(),
  OUTBOUND_ALLOW: allowList.default([]),
  ADMIN_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]{1,512}$/, 'must be 1 to 512 visible ASCII characters without blanks')
    .optional(),
  SECRETS_KEY: secretsKey.optional(),
  SECRETS_KEY_OLD: secretsKey.optional(),
  WORKERS: integer(1, 256).default(Math.max(1, availableParallelism() - 1)),
  SEGMENTATION_CRON: cronPattern.default('0 0 * * *'),
  LOG_LEVEL: oneOf(LOG_LEVELS).default('info'),
  ORGANIZATION_ID: z.string().max(255, 'must have at most 255 characters').default('local@gateway'),
  MAX_SEGMENTS_PER_ACTIVATION: integer(1, 250).default(80),
  MIN_MINUTES_BEFORE_AD_HOC: integer(0, 525_600).default(20),
  MAX_SUBSCRIPTIONS_PER_TOKEN: integer(1, 1_000_000).default(1_000),
  GRAPHIQL: flag.optional(),
  INTROSPECTION: oneOf(['always', 'authenticated', 'never']).default('authenticated'),
  OIDC_ISSUER: z.string().optional(),
  OIDC_JWKS_URL: jwksUrl.optional(),
  OIDC_AUDIENCE: z.string().optional(),
  OIDC_ROLES: roleMap.optional(),
  OIDC_ROLE_CLAIM: z.string().optional(),
  OIDC_SANDBOX_CLAIM: z.string().optional(),
  OIDC_DESTINATIONS_CLAIM: z.string().optional(),
  RATE_LIMIT_PER_MINUTE: integer(1, 100_000_000).default(60_000),
  RETENTION_RUN_EVENTS_DAYS: days.default(90),
  RETENTION_REJECTIONS_DAYS: days.default(30),
  RETENTION_RUNS_DAYS: days.default(null),
  RETENTION_IDEMPOTENCY_KEYS_DAYS: integer(1, 36_500).default(1),
  RETENTION_SNAPSHOTS_DAYS: days.default(365),
  RETENTION_AUDIT_DAYS: days.default(365),
  TRUSTED_DOCUMENTS: z.string().optional(),
  TRUSTED_DOCUMENTS_ONLY: flag.default(false),
  GATEWAY_URL: z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// address' }).optional(),
  GATEWAY_TOKEN: z.string().optional(),
})

const consistent = settings
  .refine((env) => env.TRUSTED_DOCUMENTS || !env.TRUSTED_DOCUMENTS_ONLY, {
    path: ['TRUSTED_DOCUMENTS_ONLY'],
    error: 'needs TRUSTED_DOCUMENTS: without a folder nothing could be asked',
  })
  .refine((env) => env.SECRETS_KEY || !env.SECRETS_KEY_OLD, {
    path: ['SECRETS_KEY_OLD'],
    error: 'needs SECRETS_KEY: an old key only opens what it has sealed',
  })
  .refine((env) => (env.RETENTION_RUNS_DAYS ?? Infinity) >= env.RETENTION_IDEMPOTENCY_KEYS_DAYS, {
    path: ['RETENTION_RUNS_DAYS'],
    error: 'must not be less than RETENTION_IDEMPOTENCY_KEYS_DAYS: a key answers with its runs',
  })

function retentionOf(env: z.infer<typeof settings>): Retention {
  return {
    runEventsDays: env.RETENTION_RUN_EVENTS_DAYS,
    rejectionsDays: env.RETENTION_REJECTIONS_DAYS,
    runsDays: env.RETENTION_RUNS_DAYS,
    idempotencyKeysDays: env.RETENTION_IDEMPOTENCY_KEYS_DAYS,
    snapshotsDays: env.RETENTION_SNAPSHOTS_DAYS,
    auditDays: env.RETENTION_AUDIT_DAYS,
  }
}

function toConfig(env: z.infer<typeof settings>): Config {
  const dataDir = path.resolve(env.DATA_DIR)
  const isLoopback = LOOPBACK.test(env.HOST)
  return {
    host: env.HOST,
    port: env.PORT,
    dataDir,
    databaseUrl: absolute(env.DATABASE_URL ?? `file:${path.join(dataDir, 'gateway.db')}`),
    databasePoolSize: env.DATABASE_POOL_SIZE,
    exportRoot: path.resolve(env.EXPORT_ROOT ?? path.join(dataDir, 'exports')),
    outboundAllow: env.OUTBOUND_ALLOW,
    adminToken: env.ADMIN_TOKEN ?? null,
    secretsKey: env.SECRETS_KEY ?? null,
    secretsKeyOld: env.SECRETS_KEY_OLD ?? null,
    workers: env.WORKERS,
    segmentationCron: env.SEGMENTATION_CRON,
    logLevel: env.LOG_LEVEL,
    organizationId: env.ORGANIZATION_ID,
    graphiql: env.GRAPHIQL ?? isLoopback,
    introspection: env.INTROSPECTION,
    trustedDocuments: {
      folder: env.TRUSTED_DOCUMENTS === undefined ? null : path.resolve(env.TRUSTED_DOCUMENTS),
      only: env.TRUSTED_DOCUMENTS_ONLY,
    },
    trustedIssuer: issuerOf(env),
    requestsPerMinute: env.RATE_LIMIT_PER_MINUTE,
    guardrails: {
      maxSegmentsPerActivation: env.MAX_SEGMENTS_PER_ACTIVATION,
      minSecondsBetweenMappingAndAdHoc: env.MIN_MINUTES_BEFORE_AD_HOC * 60,
      maxRowsPerFile: 5_000_000,
      maxSegmentsPerDestination: 250,
      maxFieldsPerDataflow: 50,
      maxDestinationsPerSandbox: 100,
      maxPageSize: 100,
      maxQueryDepth: 12,
      maxQueryCost: 20_000,
    },
    retention: retentionOf(env),
    maxSubscriptionsPerToken: env.MAX_SUBSCRIPTIONS_PER_TOKEN,
    client: {
      url: env.GATEWAY_URL ?? httpUrl(env.HOST, env.PORT),
      token: env.GATEWAY_TOKEN ?? env.ADMIN_TOKEN ?? null,
    },
  }
}

/** @throws ConfigError when the issuer is described in part only */
function issuerOf(env: z.infer<typeof settings>): TrustedIssuer | null {
  const { OIDC_ISSUER: issuer, OIDC_JWKS_URL: jwksUrl, OIDC_AUDIENCE: audience, OIDC_ROLES: roles } = env
  if (issuer && jwksUrl && audience && roles) {
    return {
      issuer,
      jwksUrl,
      audience,
      roles,
      roleClaim: env.OIDC_ROLE_CLAIM ?? 'roles',
      sandboxClaim: env.OIDC_SANDBOX_CLAIM ?? null,
      destinationsClaim: env.OIDC_DESTINATIONS_CLAIM ?? null,
    }
  }
  const given = Object.keys(env).find((name) => name.startsWith('OIDC_'))
  if (!given) return null
  const needed = ['OIDC_ISSUER', 'OIDC_JWKS_URL', 'OIDC_AUDIENCE', 'OIDC_ROLES'] as const
  const missing = needed.filter((name) => !env[name])
  throw new ConfigError(missing.map((name) => `${name}: is needed where ${given} is set`))
}

/** `http://HOST:PORT`, with the brackets that an IPv6 address needs. */
export function httpUrl(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

function absolute(databaseUrl: string): string {
  if (!databaseUrl.startsWith('file:')) return databaseUrl
  return `file:${path.resolve(databaseUrl.replace(/^file:(\/\/(?=\/))?/, ''))}`
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner) deepFreeze(inner)
  return Object.freeze(value)
}
