import type { Driver } from '../destinations/driver.ts'
import { authorize, type Session } from '../domain/access.ts'
import { invalid, notFound, Refusal, type UserError } from '../domain/errors.ts'
import type { DestinationStatus } from '../domain/model.ts'
import { checkTexts, normalizeName } from '../domain/text.ts'
import { note } from '../storage/deed.ts'
import { destinationStore } from '../storage/destination.ts'
import { destinationAccountStore } from '../storage/destination-account.ts'
import { segmentMappingStore } from '../storage/segment-mapping.ts'
import type { Row } from '../storage/tables.ts'
import { findAccount, requireAccount } from './account-use.ts'
import type { ServiceContext } from './context.ts'
import { parseSettings, unknownType } from './driver-settings.ts'
import { takeOutOfUse } from './out-of-use.ts'
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
  /** Another account of the same type. */
  accountId?: string | null | undefined
  settings?: unknown
  status?: DestinationStatus | null | undefined
}
type Account = Row<'destinationAccounts'>
export type DestinationService = ReturnType<typeof destinationService>

const SETTINGS = ['input', 'settings']
const ACCOUNT = ['input', 'accountId']

/** The places that segments are sent to. */
export function destinationService(ctx: ServiceContext) {
  const { database, clock, newId, guardrails } = ctx
  const store = destinationStore(database)
  const accounts = destinationAccountStore(database)
  const mappings = segmentMappingStore(database)

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
        note('destination', id, { after: row })
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
        const changes = await checkUpdate(ctx, session, row, input)
        const { accountId } = { ...row, ...changes }
        const isUsed = accountId !== null && usesAccount(input)
        const isResumed = row.status === 'DISABLED' && changes.status === 'ENABLED'
        note('destination', row.id, { before: row, after: changes })
        await database.batch([
          ...(isUsed ? [accounts.keep(accountId)] : []),
          store.update(row.id, { ...changes, updatedAt: clock() }),
          ...(isResumed ? [mappings.beginSlots('destination', row.id, clock())] : []),
        ])
        return find(session, row.id, ['input', 'id'])
      })
    },

    /**
     * Ends a destination for good: its dataflows are disabled and its runs stop, unless their files are appearing. The
     * history stays. Removing it again changes nothing.
     * @throws Refusal NOT_FOUND
     */
    async remove(session: Session, id: string): Promise<Row<'destinations'>> {
      authorize(session, 'destinations:write')
      return againWhenStale(database, async () => {
        const row = await find(session, id, ['id'])
        if (row.status === 'REMOVED') return row
        const at = clock()
        note('destination', id, { before: row, after: { status: 'REMOVED' } })
        await takeOutOfUse(ctx, [row.id], {
          sandboxId: row.sandboxId,
          why: `The destination ${JSON.stringify(row.name)} was removed.`,
          at,
          writes: [store.update(row.id, { status: 'REMOVED', updatedAt: at })],
        })
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
  const accountId = input.accountId ?? null
  const use = await findAccount(ctx, session, { driver, accountId })
  const parsed = await parseSettings(driver.settings, input.settings, SETTINGS)
  errors.push(...use.errors)
  if ('errors' in parsed) throw new Refusal([...errors, ...parsed.errors])
  if (errors.length === 0) errors.push(...misfit(driver, parsed.settings, use.account))
  if (errors.length > 0) throw new Refusal(errors)
  return { settings: parsed.settings, accountId }
}

/** What sends more, or elsewhere, through the account. Stopping is no use of it, and neither is another name. */
function usesAccount({ accountId, settings, status }: UpdateDestinationInput): boolean {
  return accountId != null || settings != null || status === 'ENABLED'
}

async function checkUpdate(
  ctx: ServiceContext,
  session: Session,
  row: Row<'destinations'>,
  input: UpdateDestinationInput,
) {
  const errors = checkTexts(input)
  const { name, description, status, accountId } = input
  if (status === 'REMOVED') {
    const message = 'Set ENABLED or DISABLED. To end it for good, use removeDestination.'
    errors.push(invalid(['input', 'status'], message))
  }
  // Another account takes the place of one that is removed, or not shared.
  const account =
    usesAccount(input) && accountId == null ? await requireAccount(ctx, session, row, ACCOUNT) : null
  const place = await newPlace(ctx, session, { row, input, account })
  errors.push(...place.errors)
  if (errors.length > 0) throw new Refusal(errors)
  return {
    ...(name != null && { name: normalizeName(name) }),
    ...(description !== undefined && { description }),
    ...(status != null && { status }),
    ...(accountId != null && { accountId }),
    ...(place.settings && { settings: place.settings }),
  }
}

/** Where it sends from now on, if that changes: by other settings, another account, or both. */
async function newPlace(
  ctx: ServiceContext,
  session: Session,
  {
    row,
    input,
    account,
  }: { row: Row<'destinations'>; input: UpdateDestinationInput; account: Account | null },
): Promise<{ errors: UserError[]; settings?: Record<string, unknown> }> {
  const { accountId, settings } = input
  if (accountId == null && settings == null) return { errors: [] }
  const driver = ctx.drivers.find(row.type)
  if (!driver) {
    const message = `This gateway has no driver for ${row.type}, so that where it sends cannot be changed.`
    return { errors: [invalid(settings == null ? ACCOUNT : SETTINGS, message)] }
  }
  const use =
    accountId == null ? { errors: [], account } : await findAccount(ctx, session, { driver, accountId })
  const parsed = settings == null ? row : await parseSettings(driver.settings, settings, SETTINGS)
  if ('errors' in parsed) return { errors: [...use.errors, ...parsed.errors] }
  if (use.errors.length > 0) return use
  return { errors: misfit(driver, parsed.settings, use.account), settings: parsed.settings }
}

/** What the driver sees is wrong with settings beside the account that they are for. */
function misfit(driver: Driver, settings: Record<string, unknown>, account: Account | null): UserError[] {
  const message = account && driver.refusalOf?.(settings, account)
  return message ? [invalid(SETTINGS, message)] : []
}
