import type { Driver } from '../destinations/driver.ts'
import { requireShared, type Session } from '../domain/access.ts'
import { invalid, notFound, Refusal, type UserError } from '../domain/errors.ts'
import { destinationAccountStore } from '../storage/destination-account.ts'
import type { Row } from '../storage/tables.ts'
import type { ServiceContext } from './context.ts'

type Account = Row<'destinationAccounts'>

const PATH = ['input', 'accountId']

/**
 * The account that a destination is to be built on, or why it may not be.
 * @throws AccessError FORBIDDEN where the account is not shared with any role of the session
 */
export async function findAccount(
  ctx: ServiceContext,
  session: Session,
  use: { driver: Driver; accountId: string | null },
): Promise<{ errors: UserError[]; account: Account | null }> {
  const { driver, accountId } = use
  const refused = (error: UserError) => ({ errors: [error], account: null })
  if (driver.account === null) {
    if (accountId === null) return { errors: [], account: null }
    return refused(invalid(PATH, `A ${driver.type} destination takes no account.`))
  }
  if (accountId === null) return refused(invalid(PATH, `A ${driver.type} destination needs an account.`))
  const [account] = await destinationAccountStore(ctx.database).byIds(session.sandbox.id, [accountId])
  if (!account || account.status === 'REMOVED') {
    return refused(notFound('destination account', accountId, PATH))
  }
  requireShared(session, account)
  return { errors: accountProblems(account, driver), account }
}

/**
 * The account of a destination that is there already, for what sends more, or elsewhere, through it. Stopping is no
 * use of it.
 * @throws AccessError FORBIDDEN where the account is not shared with any role of the session
 * @throws Refusal CONFLICT where the account is removed
 */
export async function requireAccount(
  ctx: ServiceContext,
  session: Session,
  destination: Pick<Row<'destinations'>, 'accountId' | 'name'>,
  path: string[],
): Promise<Account | null> {
  const { accountId, name } = destination
  if (accountId === null) return null
  const [account] = await destinationAccountStore(ctx.database).byIds(session.sandbox.id, [accountId])
  if (!account) return null
  requireShared(session, account)
  if (account.status !== 'REMOVED') return account
  const message = `The account ${JSON.stringify(account.name)} that the destination ${JSON.stringify(name)} is built on is removed. Give the destination another account, then try again.`
  throw new Refusal({ code: 'CONFLICT', message, path, nodeId: account.id })
}

function accountProblems(account: Account, driver: Driver): UserError[] {
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
