// The API over real parts and a fresh database; no port unless a test asks for a server.
import { httpUrl } from '../../src/config.ts'
import { cron } from '../../src/cron.ts'
import type { Driver } from '../../src/destinations/driver.ts'
import { driverRegistry } from '../../src/destinations/registry.ts'
import type { Role } from '../../src/domain/model.ts'
import type { Guardrails, Logger, TrustedIssuer } from '../../src/domain/ports.ts'
import { type ApiParts, contextFactory } from '../../src/graphql/context.ts'
import { guard } from '../../src/graphql/guard.ts'
import { liveParts } from '../../src/graphql/live-parts.ts'
import { anyDocument, type TrustedDocuments } from '../../src/graphql/trusted-documents.ts'
import { authenticator } from '../../src/http/auth.ts'
import { newLimits } from '../../src/http/rate-limit.ts'
import { httpServer } from '../../src/http/server.ts'
import { type EdgeConfig, gatewayYoga } from '../../src/http/yoga.ts'
import { activationService } from '../../src/services/activation.ts'
import { auditService } from '../../src/services/audit.ts'
import { dataflowService } from '../../src/services/dataflow.ts'
import { destinationService } from '../../src/services/destination.ts'
import { destinationAccountService } from '../../src/services/destination-account.ts'
import { notificationTargetService } from '../../src/services/notification-target.ts'
import { profileService } from '../../src/services/profile.ts'
import { runService } from '../../src/services/run.ts'
import { sandboxService } from '../../src/services/sandbox.ts'
import { segmentService } from '../../src/services/segment.ts'
import { tokenService } from '../../src/services/token.ts'
import { auditTrail } from '../../src/storage/audit-trail.ts'
import { type TestDatabase, testDatabase } from './database.ts'
import { toLoopback } from './outbound.ts'

export interface TestGateway {
  test: TestDatabase
  parts: ApiParts
  /** Secret of the administrator. */
  admin: string
  /** What was logged as an error. */
  logged: { fields: object; message: string }[]
  token(roles: Role[], options?: { sandbox?: string; destinationIds?: string[] }): Promise<string>
  /** A raw request to /graphql, with the administrator's token unless told otherwise. */
  fetch(init?: RequestInit & { path?: string }): Promise<Response>
  /** An operation. */
  ask(query: string, variables?: object, options?: AskOptions): Promise<Answer>
  /** The data of an operation that must have no errors. */
  data(query: string, variables?: object, options?: AskOptions): Promise<Tree>
  serve(): Promise<string>
  dispose(): Promise<void>
}
interface AskOptions {
  token?: string
  sandbox?: string
}
// Answers are as varied as the queries: tests look into them as they know them.
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Tree = any
export interface Answer {
  status: number
  data?: Tree
  errors?: { message: string; path?: (string | number)[]; extensions: Tree }[]
  headers: Headers
}

export async function testGateway(
  options: {
    config?: Partial<EdgeConfig>
    guardrails?: Partial<Guardrails>
    requestsPerMinute?: number
    maxSubscriptionsPerToken?: number
    trustedIssuer?: TrustedIssuer
    /** Besides those that every gateway has. */
    drivers?: Driver[]
    documents?: TrustedDocuments
    /** Takes everything that is logged; nobody does unless told. */
    log?: Logger
  } = {},
): Promise<TestGateway> {
  const test = await testDatabase()
  const logged: TestGateway['logged'] = []
  const below = options.log ?? test.ctx.log
  const log: Logger = {
    debug: (...line) => below.debug(...line),
    info: (...line) => below.info(...line),
    warn: (...line) => below.warn(...line),
    error(fields, message) {
      logged.push({ fields, message })
      below.error(fields, message)
    },
  }
  const { trail, database } = auditTrail(test.database, test.ctx.clock)
  const ctx = {
    ...test.ctx,
    database,
    log,
    guardrails: { ...test.ctx.guardrails, ...options.guardrails },
    drivers: driverRegistry({ exportRoot: test.exportRoot, outbound: toLoopback }, options.drivers),
  }
  const services = {
    segment: segmentService(ctx),
    destination: destinationService(ctx),
    destinationAccount: destinationAccountService(ctx),
    dataflow: dataflowService(ctx),
    activation: activationService(ctx),
    run: runService(ctx),
    notificationTarget: notificationTargetService(ctx),
    profile: profileService(ctx),
    token: tokenService(ctx, options.trustedIssuer),
    sandbox: sandboxService(ctx),
    audit: auditService({ database, trail, log }),
  }
  const { drivers, clock, guardrails } = ctx
  const { maxSubscriptionsPerToken = 1_000 } = options
  const live = liveParts({ database, token: services.token, clock, log, maxSubscriptionsPerToken })
  const segmentationTimes = cron('0 0 * * *')
  const parts: ApiParts = { database, services, ...live, drivers, guardrails, segmentationTimes, clock, log }
  const config: EdgeConfig = { graphiql: true, introspection: 'authenticated', ...options.config }
  const { requestsPerMinute = 60_000 } = options
  const authenticate = authenticator(parts, newLimits({ clock, requestsPerMinute }))
  const { documents = anyDocument } = options
  const yoga = gatewayYoga({
    newContext: contextFactory(parts),
    guard: guard({ ...config, guardrails, log, audit: services.audit }),
    config,
    authenticate,
    documents,
    log,
  })
  const admin = (await services.token.ensureAdmin()) ?? ''
  const stops: (() => Promise<void>)[] = []

  const fetch: TestGateway['fetch'] = ({ path = '', headers, ...init } = {}) => {
    const all = new Headers({ 'content-type': 'application/json', authorization: `Bearer ${admin}` })
    for (const [name, value] of new Headers(headers)) all.set(name, value)
    for (const [name, value] of [...all]) if (value === '') all.delete(name)
    return Promise.resolve(
      yoga.fetch(`http://gateway/graphql${path}`, { method: 'POST', ...init, headers: all }),
    )
  }
  const ask: TestGateway['ask'] = async (query, variables = {}, { token = admin, sandbox } = {}) => {
    const headers = { authorization: `Bearer ${token}`, ...(sandbox && { 'x-sandbox-name': sandbox }) }
    const response = await fetch({ headers, body: JSON.stringify({ query, variables }) })
    return { status: response.status, headers: response.headers, ...(await response.json()) }
  }
  return {
    test,
    parts,
    admin,
    logged,
    async token(roles, { sandbox = 'prod', destinationIds } = {}) {
      const row = await services.sandbox.ensure(sandbox)
      const input = { name: roles.join(), roles, destinationIds: destinationIds ?? null }
      return (await services.token.create({ ...test.session, sandbox: row }, input)).secret
    },
    fetch,
    ask,
    async data(query, variables, asked) {
      const { data, errors } = await ask(query, variables, asked)
      if (errors) throw new Error(JSON.stringify(errors))
      return data
    },
    async serve() {
      const server = httpServer({
        parts,
        config: { ...config, host: '127.0.0.1', port: 0, requestsPerMinute },
        documents,
        isEngineRunning: () => true,
        scheduler: () => ({ heartbeatAt: clock(), lagMs: 0, isAlive: true }),
      })
      stops.push(() => server.stop(200))
      return httpUrl('127.0.0.1', (await server.start()).port)
    },
    async dispose() {
      for (const stop of stops) await stop()
      await yoga.dispose()
      await test.dispose()
    },
  }
}
