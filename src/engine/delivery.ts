// The way from a run to its destination's driver: the driver is found, and what it logs in with is opened, at the last
// moment.
import { openAccount, withoutSecrets } from '../destinations/account.ts'
import { DeliveryError, type FileDelivery, type OpenAccount } from '../destinations/driver.ts'
import type { DriverRegistry } from '../destinations/registry.ts'
import type { Logger, Vault } from '../domain/ports.ts'
import type { Database } from '../storage/database.ts'
import { destinationAccountStore } from '../storage/destination-account.ts'
import type { Row } from '../storage/tables.ts'

/**
 * What the holder of a run has logged in with: it also cleans up with that, though the account was changed or removed
 * meanwhile. By the claimed row, so that it is forgotten with the claim.
 */
const logins = new WeakMap<Row<'runs'>, OpenAccount>()

interface DeliveryContext {
  database: Database
  drivers: DriverRegistry
  vault: Vault
  log: Logger
  run: Row<'runs'>
  signal: AbortSignal
}

/**
 * Opens the run's delivery and works with it. What is thrown on the way holds no secret.
 * @throws DeliveryError, or what `work` throws
 */
export async function withDelivery<T>(
  context: DeliveryContext,
  work: (delivery: FileDelivery) => Promise<T>,
): Promise<T> {
  const { drivers, run, signal, log } = context
  const { type, settings } = run.plan.destination
  const driver = drivers.find(type)
  if (!driver?.deliverFiles) throw badSettings(`This gateway has no driver that sends files to ${type}.`)
  const account = driver.account ? await accountOf(context) : null
  const { fields } = run.plan
  const pace = () => Promise.resolve() // no driver asks yet
  const over = new AbortController()
  const target = {
    runId: run.id,
    fence: run.fence,
    settings,
    account,
    fields,
    pace,
    signal: AbortSignal.any([signal, over.signal]),
    log,
  }
  try {
    return await work(await driver.deliverFiles(target))
  } catch (error) {
    throw account ? withoutSecrets(error, account) : error
  } finally {
    over.abort()
  }
}

async function accountOf({ database, vault, run }: DeliveryContext): Promise<OpenAccount> {
  const known = logins.get(run)
  if (known) return known
  const { accountId, destination } = run.plan
  const [account] = accountId ? await destinationAccountStore(database).byIds(run.sandboxId, [accountId]) : []
  if (account && account.status !== 'REMOVED') {
    const opened = openAccount(vault, account)
    logins.set(run, opened)
    return opened
  }
  throw badSettings(
    `The account that ${JSON.stringify(destination.name)} was built on is removed. Use another destination.`,
  )
}

function badSettings(message: string): DeliveryError {
  return new DeliveryError('BAD_SETTINGS', message, { retryable: false })
}
