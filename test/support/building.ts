// What the tests of destinations and dataflows build with: drivers of both kinds, segments, accounts.
import { z } from 'zod'
import type { Driver } from '../../src/destinations/driver.ts'
import { driverRegistry } from '../../src/destinations/registry.ts'
import type { Session } from '../../src/domain/access.ts'
import { Refusal, type UserError } from '../../src/domain/errors.ts'
import type { Role, SegmentStatus } from '../../src/domain/model.ts'
import type { Guardrails } from '../../src/domain/ports.ts'
import type { ServiceContext } from '../../src/services/context.ts'
import { newId } from '../../src/storage/ids.ts'
import type { NewRow } from '../../src/storage/tables.ts'
import type { TestDatabase } from './database.ts'
import { toLoopback } from './outbound.ts'

/** A mailing service: takes contacts, needs an account, an e-mail address in each, and a list that the login told of. */
const mailer: Driver = {
  type: 'MAILER',
  title: 'Mailer',
  delivery: 'API',
  allowsAdHoc: true,
  account: {
    settings: z.strictObject({ host: z.string() }),
    secrets: z.strictObject({ key: z.string() }),
    verify: async () => ({}),
  },
  settings: z.strictObject({ listId: z.number().int(), tags: z.array(z.string()).default([]) }),
  refusalOf: ({ listId }, { details }) =>
    Array.isArray(details?.lists) && !details.lists.includes(listId) ? `There is no list ${listId}.` : null,
  fields: [
    { name: 'email', title: 'E-mail', required: true },
    { name: 'firstName', title: 'First name', required: false },
  ],
}

/** The context of the test, with the mailer and other guardrails. */
export function buildingContext(test: TestDatabase, guardrails: Partial<Guardrails> = {}): ServiceContext {
  const drivers = driverRegistry({ exportRoot: test.exportRoot, outbound: toLoopback }, [mailer])
  return { ...test.ctx, drivers, guardrails: { ...test.ctx.guardrails, ...guardrails } }
}

/** The errors that a refused call names; fails when it was not refused. */
export async function refusalOf(call: Promise<unknown>): Promise<UserError[]> {
  const error = await call.then(
    () => new Error('The call was not refused.'),
    (reason: unknown) => reason,
  )
  if (error instanceof Refusal) return error.errors
  throw error
}

/** As `code path.to.input`. */
export async function refusedPaths(call: Promise<unknown>): Promise<string[]> {
  return (await refusalOf(call)).map(({ code, path }) => `${code} ${path.join('.')}`)
}

export function withRoles(session: Session, roles: Role[]): Session {
  return { ...session, roles }
}

let segmentNumber = 0
export async function addSegment(
  { database, sandboxId }: Pick<TestDatabase, 'database' | 'sandboxId'>,
  options: { name?: string; status?: SegmentStatus } = {},
): Promise<string> {
  const { name = 'Buyers', status = 'ACTIVE' } = options
  const id = newId('segment')
  segmentNumber += 1
  const now = new Date()
  const rule = { attribute: { path: 'email', operator: 'EXISTS' as const } }
  const row = { id, sandboxId, number: segmentNumber, name, status, rule, createdAt: now, updatedAt: now }
  await database.batch([
    database.db.insert(database.tables.segments).values({ ...row, expression: 'email exists' }),
  ])
  return id
}

export async function addAccount(
  { database, sandboxId }: Pick<TestDatabase, 'database' | 'sandboxId'>,
  changes: Partial<NewRow<'destinationAccounts'>> = {},
): Promise<string> {
  const id = newId('destinationAccount')
  const now = new Date()
  const row: NewRow<'destinationAccounts'> = {
    id,
    sandboxId,
    name: 'Marketing',
    type: 'MAILER',
    settings: { host: 'mail.example' },
    sharedWith: [],
    consentBy: 'test',
    consentAt: now,
    status: 'CONNECTED',
    createdAt: now,
    updatedAt: now,
    ...changes,
  }
  await database.batch([database.db.insert(database.tables.destinationAccounts).values(row)])
  return id
}
