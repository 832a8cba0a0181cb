import type { Driver } from '../destinations/driver.ts'
import { requireShared, type Session } from '../domain/access.ts'
import { invalid, notFound, type UserError } from '../domain/errors.ts'
import { destinationAccountStore } from '../storage/destination-account.ts'
import type { Row } from '../storage/tables.ts'
import type { ServiceContext } from './context.ts'

const PATH = ['input', 'accountId']

/**
 * Why a destination may not be built on an account.
 * @throws AccessError FORBIDDEN where the account is not shared with any role of the session
 */
export async function checkAccount(
  ctx: ServiceContext,
  session: Session,
  use: { driver: Driver; accountId: string | null },
): Promise<UserError[]> {
  const { driver, accountId } = use
  if (driver.account === null) {
    return accountId === null ? [] : [invalid(PATH, `A ${driver.type} destination takes no account.`)]
  }
  if (accountId === null) return [invalid(PATH, `A ${driver.type} destination needs an account.`)]
  const [account] = await destinationAccountStore(ctx.database).byIds(session.sandbox.id, [accountId])
  if (!account || account.status === 'REMOVED') return [notFound('destination account', accountId, PATH)]
  requireShared(session, account)
  return accountProblems(account, driver)
}

/**
 * For what sends more, or elsewhere, through the account of a destination that is there already. Stopping is no use of it.
 * @throws AccessError FORBIDDEN where the account is not shared with any role of the session
 */
export async function requireAccount(
  ctx: ServiceContext,
  session: Session,
  { accountId }: Pick<Row<'destinations'>, 'accountId'>,
): Promise<void> {
  if (accountId === null) return
  const [account] = await destinationAccountStore(ctx.database).byIds(session.sandbox.id, [accountId])
  if (account) requireShared(session, account)
}

function accountProblems(account: Row<'destinationAccounts'>, driver: Driver): UserError[] {
  const name = `The account ${account.name}`
  if (account.type !== driver.type) {
    return [invalid(PATH, `${name} is for ${account.type}, not for ${driver.type}.`)]
  }
  const errors: UserError[] = []
  if (account.status !== 'CONNECTED') {
    const message = `${name} is ${account.status}. Verify it first.`
    errors.push({ code: 'CONFLICT', message, path: PATH, nodeId: account.id })
  }
  if (account.consentAt === null) {
    const message = `${name} has no recorded agreement that personal data may leave the gateway through it.`
    errors.push({ code: 'CONSENT_MISSING', message, path: PATH, nodeId: account.id })
  }
  return errors
}
