import type { Driver } from '../destinations/driver.ts'
import { authorize, type Session } from '../domain/access.ts'
import { invalid, notFound, Refusal, type UserError } from '../domain/errors.ts'
import type { DestinationStatus } from '../domain/model.ts'
import { checkTexts, normalizeName } from '../domain/text.ts'
import { dataflowStore } from '../storage/dataflow.ts'
import { destinationStore } from '../storage/destination.ts'
import { destinationAccountStore } from '../storage/destination-account.ts'
import type { Row } from '../storage/tables.ts'
import { checkAccount, requireAccount } from './account-use.ts'
import type { ServiceContext } from './context.ts'
import { parseSettings, unknownType } from './driver-settings.ts'
import { againWhenStale } from './stale.ts'

export interface CreateDestinationInput {
  name: string
  description?: string | null | undefined
  /** A driver's name, e.g. LOCAL_DIRECTORY. */
  type: string
  accountId?: string | null | undefined
  settings: unknown
}
/** What is absent or null stays as it is; a null description is cleared. */
export interface UpdateDestinationInput {
  id: string
  name?: string | null | undefined
  description?: string | null | undefined
  settings?: unknown
  status?: DestinationStatus | null | undefined
}
export type DestinationService = ReturnType<typeof destinationService>

/** The places that segments are sent to. */
export function destinationService(ctx: ServiceContext) {
  const { database, clock, newId, guardrails } = ctx
  const store = destinationStore(database)
  const accounts = destinationAccountStore(database)
  const dataflows = dataflowStore(database)

  const find = async (session: Session, id: string, path: string[]): Promise<Row<'destinations'>> => {
    const [row] = await store.byIds(session.sandbox.id, [id])
    if (!row) throw new Refusal(notFound('destination', id, path))
    return row
  }
  const requireRoom = async (sandboxId: string): Promise<void> => {
    const limit = guardrails.maxDestinationsPerSandbox
    const requested = (await store.countKept(sandboxId)) + 1
    if (requested <= limit) return
    const message = `A sandbox has at most ${limit} destinations. Remove one that is not needed.`
    throw new Refusal({ code: 'LIMIT_EXCEEDED', message, path: ['input'], limit, requested })
  }

  return {
    /** @throws Refusal for input that breaks a rule, an account that cannot be used, or a full sandbox */
    async create(session: Session, input: CreateDestinationInput): Promise<Row<'destinations'>> {
      authorize(session, 'destinations:write')
      const { sandbox } = session
      const id = newId('destination')
      return againWhenStale(database, async () => {
        const { settings, accountId } = await checkCreation(ctx, session, input)
        await requireRoom(sandbox.id)
        const now = clock()
        const row = {
          id,
          sandboxId: sandbox.id,
          name: normalizeName(input.name),
          description: input.description ?? null,
          type: input.type,
          accountId,
          settings,
          status: 'ENABLED' as const,
          createdAt: now,
          updatedAt: now,
        }
        await database.batch([
          ...(accountId ? [accounts.keep(accountId)] : []),
          ...store.insert(row, guardrails.maxDestinationsPerSandbox),
        ])
        return find(session, id, ['input'])
      })
    },

    /** @throws Refusal NOT_FOUND, CONFLICT for a removed destination, or for input that breaks a rule */
    async update(session: Session, input: UpdateDestinationInput): Promise<Row<'destinations'>> {
      authorize(session, 'destinations:write')
      return againWhenStale(database, async () => {
        const row = await find(session, input.id, ['input', 'id'])
        if (row.status === 'REMOVED') throw new Refusal(removed(row, ['input', 'id']))
        if (input.settings != null || input.status === 'ENABLED') await requireAccount(ctx, session, row)
        const changes = await checkUpdate(ctx, row, input)
        await database.batch([store.update(row.id, { ...changes, updatedAt: clock() })])
        return find(session, row.id, ['input', 'id'])
      })
    },

    /**
     * Ends a destination for good: nothing is sent there again and its dataflows are disabled. Runs that
     * have begun finish, and the history stays. Removing it again changes nothing.
     * @throws Refusal NOT_FOUND
     */
    async remove(session: Session, id: string): Promise<Row<'destinations'>> {
      authorize(session, 'destinations:write')
      return againWhenStale(database, async () => {
        const row = await find(session, id, ['id'])
        if (row.status === 'REMOVED') return row
        const updatedAt = clock()
        await database.batch([
          store.update(row.id, { status: 'REMOVED', updatedAt }),
          dataflows.disableAll(row.id, updatedAt),
        ])
        return find(session, id, ['id'])
      })
    },
  }
}

/** What is said wherever a removed destination is in the way. */
export function removed(destination: Row<'destinations'>, path: string[]): UserError {
  const message = `The destination ${destination.name} is removed, and that is final. Create another one.`
  return { code: 'CONFLICT', message, path, nodeId: destination.id }
}

async function checkCreation(ctx: ServiceContext, session: Session, input: CreateDestinationInput) {
  const errors = checkTexts(input)
  const driver = ctx.drivers.find(input.type)
  if (!driver) throw new Refusal([...errors, unknownType(ctx.drivers, input.type)])
  const account = await checkAccount(ctx, session, { driver, accountId: input.accountId ?? null })
  const parsed = await parseSettings(driver.settings, input.settings, ['input', 'settings'])
  if ('errors' in parsed) throw new Refusal([...errors, ...account, ...parsed.errors])
  if (errors.length + account.length > 0) throw new Refusal([...errors, ...account])
  return { settings: parsed.settings, accountId: input.accountId ?? null }
}

async function checkUpdate(ctx: ServiceContext, row: Row<'destinations'>, input: UpdateDestinationInput) {
  const errors = checkTexts(input)
  const { name, description, status, settings } = input
  if (status === 'REMOVED') {
    errors.push(
      invalid(['input', 'status'], 'Set ENABLED or DISABLED. To end it for good, use removeDestination.'),
    )
  }
  const parsed = settings == null ? null : await parseNew(ctx.drivers.find(row.type), row, settings)
  if (parsed && 'errors' in parsed) errors.push(...parsed.errors)
  if (errors.length > 0) throw new Refusal(errors)
  return {
    ...(name != null && { name: normalizeName(name) }),
    ...(description !== undefined && { description }),
    ...(status != null && { status }),
    ...(parsed && 'settings' in parsed && { settings: parsed.settings }),
  }
}

function parseNew(driver: Driver | undefined, row: Row<'destinations'>, settings: unknown) {
  if (driver) return parseSettings(driver.settings, settings, ['input', 'settings'])
  const message = `This gateway has no driver for ${row.type}, so that its settings cannot be changed.`
  return { errors: [invalid(['input', 'settings'], message)] }
}
