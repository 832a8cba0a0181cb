import { isDeepStrictEqual } from 'node:util'
import { openAccount, sealSecrets, withoutSecrets } from '../destinations/account.ts'
import {
  type AccountDetails,
  DeliveryError,
  type DriverAccount,
  type OpenAccount,
} from '../destinations/driver.ts'
import { authorize, type Session } from '../domain/access.ts'
import { invalid, notFound, Refusal, type UserError } from '../domain/errors.ts'
import type { Role } from '../domain/model.ts'
import { checkTexts, normalizeName, oneLine } from '../domain/text.ts'
import { note } from '../storage/deed.ts'
import { destinationStore } from '../storage/destination.ts'
import { destinationAccountStore } from '../storage/destination-account.ts'
import type { Row } from '../storage/tables.ts'
import type { ServiceContext } from './context.ts'
import { parseSettings, unknownType } from './driver-settings.ts'
import { takeOutOfUse } from './out-of-use.ts'
import { againWhenStale, changedAt } from './stale.ts'

export interface CreateDestinationAccountInput {
  name: string
  /** A driver's name, e.g. SFTP. */
  type: string
  settings: unknown
  secrets: unknown
  sharedWith?: readonly Role[] | null | undefined
  agreeToDataTransfer: boolean
}
/** What is absent or null stays as it is. */
export interface UpdateDestinationAccountInput {
  id: string
  name?: string | null | undefined
  settings?: unknown
  secrets?: unknown
  sharedWith?: readonly Role[] | null | undefined
}
type Account = Row<'destinationAccounts'>
export type DestinationAccountService = ReturnType<typeof destinationAccountService>

/** Shorter than a request may take. */
const LOGIN_MS = 8_000

/**
 * How and as whom the gateway logs in at destinations. Administrators alone; secrets go in and never come out.
 * @param loginMs how long a destination may take to answer a login
 */
export function destinationAccountService(ctx: ServiceContext, loginMs = LOGIN_MS) {
  const { database, clock, newId, vault } = ctx
  const store = destinationAccountStore(database)
  const destinations = destinationStore(database)

  const find = async (session: Session, id: string, path: string[]): Promise<Account> => {
    const [row] = await store.byIds(session.sandbox.id, [id])
    if (!row) throw new Refusal(notFound('destination account', id, path))
    return row
  }
  const findKept = async (session: Session, id: string, path: string[]): Promise<Account> => {
    const row = await find(session, id, path)
    if (row.status !== 'REMOVED') return row
    const message = `The account ${JSON.stringify(row.name)} is removed, and that is final. Create another one.`
    throw new Refusal({ code: 'CONFLICT', message, path, nodeId: id })
  }

  return {
    /**
     * Stores an account, UNVERIFIED, with the agreement that personal data leaves through it.
     * @throws Refusal with everything that is wrong with the input
     */
    async create(session: Session, input: CreateDestinationAccountInput): Promise<Account> {
      authorize(session, 'accounts:write')
      const { settings, secrets } = await checkCreation(ctx, input)
      const id = newId('destinationAccount')
      const now = clock()
      const row = {
        id,
        sandboxId: session.sandbox.id,
        name: normalizeName(input.name),
        type: input.type,
        settings,
        secrets: sealSecrets(vault, secrets, id),
        sharedWith: [...new Set(input.sharedWith)],
        consentBy: session.name,
        consentAt: now,
        status: 'UNVERIFIED' as const,
        createdAt: now,
        updatedAt: now,
      }
      note('destinationAccount', id, { after: row })
      await database.batch([store.insert(row)])
      return find(session, id, ['input'])
    },

    /**
     * Changes an account. With settings or secrets it must be verified again before anything leaves through it; other
     * settings ask for the secrets, too, so that nobody can send what is stored elsewhere.
     * @throws Refusal NOT_FOUND, CONFLICT for a removed account, or with everything that is wrong with the input
     */
    async update(session: Session, input: UpdateDestinationAccountInput): Promise<Account> {
      authorize(session, 'accounts:write')
      return againWhenStale(database, async () => {
        const row = await findKept(session, input.id, ['input', 'id'])
        const { settings, secrets } = await checkUpdate(ctx, row, input)
        const isOther = settings !== undefined || secrets !== undefined
        const changes = {
          ...(input.name != null && { name: normalizeName(input.name) }),
          ...(input.sharedWith != null && { sharedWith: [...new Set(input.sharedWith)] }),
          ...(settings && { settings, details: null }),
          ...(secrets && { secrets: sealSecrets(vault, secrets, row.id) }),
          ...(isOther && { status: 'UNVERIFIED' as const, lastVerifiedAt: null, lastError: null }),
          updatedAt: changedAt(row, clock()),
        }
        note('destinationAccount', row.id, { before: row, after: changes })
        await database.batch([store.update(row, changes)])
        return find(session, row.id, ['input', 'id'])
      })
    },

    /**
     * Logs in, and records how that went.
     * @throws Refusal NOT_FOUND, CONFLICT, or DESTINATION_REFUSED with the destination's words
     */
    async verify(session: Session, id: string): Promise<Account> {
      authorize(session, 'accounts:write')
      // The account may be changed while the destination takes its time: then what it said is about another one.
      return againWhenStale(database, async () => {
        const row = await findKept(session, id, ['id'])
        const { refusal, details } = await tryLogin(ctx, row, loginMs)
        const lastError = refusal ? (refusal.detail ?? refusal.message) : null
        const outcome = refusal ? { status: 'FAILED' as const } : { status: 'CONNECTED' as const, details }
        note('destinationAccount', id, { before: row, after: { ...outcome, lastError } })
        await database.batch([store.update(row, { ...outcome, lastVerifiedAt: clock(), lastError })])
        if (refusal) throw new Refusal(refusal)
        return find(session, id, ['id'])
      })
    },

    /**
     * Ends an account for good and forgets its secrets. What is built on it stops in the same step: destinations and
     * dataflows are disabled, and runs end unless their files are appearing. Removing it again changes nothing.
     * @throws Refusal NOT_FOUND
     */
    async remove(session: Session, id: string): Promise<Account> {
      authorize(session, 'accounts:write')
      return againWhenStale(database, async () => {
        const row = await find(session, id, ['id'])
        if (row.status === 'REMOVED') return row
        const at = clock()
        note('destinationAccount', id, { before: row, after: { status: 'REMOVED', secrets: null } })
        await takeOutOfUse(ctx, destinations.onAccount(id), {
          sandboxId: row.sandboxId,
          why: `The account ${JSON.stringify(row.name)} was removed.`,
          at,
          writes: [store.remove(id, at), destinations.disableOnAccount(id, at)],
        })
        return find(session, id, ['id'])
      })
    },
  }
}

async function checkCreation(ctx: ServiceContext, input: CreateDestinationAccountInput) {
  const errors = checkTexts(input)
  if (!input.agreeToDataTransfer) {
    const message =
      'Personal data leaves the gateway through an account. Agree to that by setting agreeToDataTransfer to true.'
    errors.push({ code: 'CONSENT_MISSING', message, path: ['input', 'agreeToDataTransfer'] })
  }
  const driver = ctx.drivers.find(input.type)
  if (!driver) throw new Refusal([...errors, unknownType(ctx.drivers, input.type)])
  if (!driver.account) {
    errors.push(invalid(['input', 'type'], `A ${driver.type} destination takes no account.`))
    throw new Refusal(errors)
  }
  const settings = await parseSettings(driver.account.settings, input.settings, ['input', 'settings'])
  const secrets = await parseSettings(driver.account.secrets, input.secrets, ['input', 'secrets'])
  if ('errors' in settings) errors.push(...settings.errors)
  if ('errors' in secrets) errors.push(...secrets.errors)
  if (errors.length > 0 || 'errors' in settings || 'errors' in secrets) throw new Refusal(errors)
  return { settings: settings.settings, secrets: secrets.settings }
}

async function checkUpdate(ctx: ServiceContext, row: Account, input: UpdateDestinationAccountInput) {
  const errors = checkTexts(input)
  const login = ctx.drivers.find(row.type)?.account
  const parse = async (part: 'settings' | 'secrets') => {
    if (input[part] == null) return undefined
    if (!login) throw new Refusal([...errors, noDriver(row, ['input', part])])
    const parsed = await parseSettings(login[part], input[part], ['input', part])
    if ('settings' in parsed) return parsed.settings
    errors.push(...parsed.errors)
  }
  const parsed = { settings: await parse('settings'), secrets: await parse('secrets') }
  if (parsed.settings && input.secrets == null && !isDeepStrictEqual(parsed.settings, row.settings)) {
    const message =
      'With other settings the secrets would go elsewhere, or to somebody else. Enter the secrets again, too.'
    errors.push(invalid(['input', 'secrets'], message))
  }
  if (errors.length > 0) throw new Refusal(errors)
  return parsed
}

/** Logs in: what the destination told, or how it refused. */
async function tryLogin(
  ctx: ServiceContext,
  row: Account,
  loginMs: number,
): Promise<{ refusal: UserError; details?: never } | { refusal: null; details: AccountDetails }> {
  const { drivers, vault, log } = ctx
  const login = drivers.find(row.type)?.account
  if (!login) throw new Refusal(noDriver(row, ['id']))
  try {
    const details = await logIn(login, openAccount(vault, row), AbortSignal.timeout(loginMs))
    return { refusal: null, details }
  } catch (error) {
    if (!(error instanceof DeliveryError)) throw error
    log.warn({ accountId: row.id, error }, 'a login at a destination failed')
    const { message } = error
    if (error.code === 'SECRETS_UNREADABLE')
      return { refusal: { code: 'CONFLICT', message, path: ['id'], nodeId: row.id } }
    const refusal = {
      code: 'DESTINATION_REFUSED' as const,
      message: `The login with the account ${JSON.stringify(row.name)} failed. Mend its settings or secrets, then verify it again.`,
      path: ['id'],
      detail: oneLine(message),
    }
    return { refusal }
  }
}

async function logIn(
  login: DriverAccount,
  account: OpenAccount,
  signal: AbortSignal,
): Promise<AccountDetails> {
  try {
    return await login.verify(account, signal)
  } catch (error) {
    if (!signal.aborted) throw withoutSecrets(error, account)
    throw new DeliveryError('UNAVAILABLE', 'The destination did not answer in time.', { retryable: true })
  }
}

function noDriver(row: Account, path: string[]): UserError {
  return invalid(path, `This gateway has no driver for ${row.type} that logs in with an account.`)
}
