// The way from a run to its destination's driver: the driver is found, and what it logs in with is opened, at the last
// moment.
import { openAccount, secretsRemover, withoutSecrets } from '../destinations/account.ts'
import {
  DeliveryError,
  type DeliveryTarget,
  type FileDelivery,
  type OpenAccount,
  type ProfileDelivery,
  type RefusedProfile,
} from '../destinations/driver.ts'
import type { DriverRegistry } from '../destinations/registry.ts'
import type { Logger, Vault } from '../domain/ports.ts'
import { oneLine } from '../domain/text.ts'
import type { Database } from '../storage/database.ts'
import { destinationAccountStore } from '../storage/destination-account.ts'
import type { Row } from '../storage/tables.ts'
import type { Budgets } from './budgets.ts'

/**
 * What the holder of a run has logged in with: it also cleans up with that, though the account was changed or removed
 * meanwhile. By the claimed row, so that it is forgotten with the claim.
 */
const logins = new WeakMap<Row<'runs'>, OpenAccount>()
/** How long a request may go on that is on its way when its run is stopped. */
const GRACE_MS = 3_000
const MAX_DETAIL = 500

interface DeliveryContext {
  database: Database
  drivers: DriverRegistry
  vault: Vault
  log: Logger
  budgets: Budgets
  run: Row<'runs'>
  signal: AbortSignal
}

/** What to do with a delivery, whichever it is. */
export interface DeliveryWork {
  files(delivery: FileDelivery): Promise<void>
  profiles(delivery: ProfileDelivery): Promise<void>
}

/**
 * Opens the run's delivery and works with it. What is thrown on the way holds no secret.
 * @throws DeliveryError, or what the work throws
 */
export async function withDelivery(context: DeliveryContext, work: DeliveryWork): Promise<void> {
  const { drivers, budgets, run, signal, log } = context
  const { type, settings } = run.plan.destination
  const driver = drivers.find(type)
  if (!driver) throw badSettings(`This gateway has no driver for ${type}.`)
  const account = driver.account ? await accountOf(context) : null
  const { fields } = run.plan
  const pace = budgets.paceOf(run.plan.accountId ?? run.plan.destination.id, signal)
  const over = new AbortController()
  const target = (stopped: AbortSignal): DeliveryTarget => ({
    runId: run.id,
    createdAt: run.createdAt,
    segment: run.plan.segment,
    fence: run.fence,
    settings,
    account,
    fields,
    pace,
    signal: AbortSignal.any([stopped, over.signal]),
    log,
  })
  try {
    if (driver.deliverFiles) await work.files(await driver.deliverFiles(target(signal)))
    else if (driver.deliverProfiles) {
      const delivery = await driver.deliverProfiles(target(delayed(signal, over.signal)))
      await work.profiles(tellingNoSecrets(delivery, account))
    } else throw new Error(`the driver ${type} delivers nothing`)
  } catch (error) {
    throw account ? withoutSecrets(error, account) : error
  } finally {
    over.abort()
  }
}

/** What the destination says of profiles is stored and shown: in one line, and without what it may repeat. */
function tellingNoSecrets(delivery: ProfileDelivery, account: OpenAccount | null): ProfileDelivery {
  const clean = account ? secretsRemover(account) : (text: string) => text
  const tell = (refused: RefusedProfile[]) =>
    refused.map(({ profileId, detail }) => ({ profileId, detail: oneLine(clean(detail), MAX_DETAIL) }))
  return {
    maxProfiles: delivery.maxProfiles,
    async send(profiles) {
      const batch = await delivery.send(profiles)
      return { ...batch, refused: tell(batch.refused) }
    },
    async settle(receipt, profiles) {
      const refused = await delivery.settle(receipt, profiles)
      return refused && tell(refused)
    },
  }
}

/**
 * Lets a request that is on its way when the run is stopped come to its end, so that nobody makes it again. Nothing
 * listens any more when the delivery is over.
 */
function delayed(signal: AbortSignal, over: AbortSignal): AbortSignal {
  if (signal.aborted) return signal
  const controller = new AbortController()
  const stop = () => void setTimeout(() => controller.abort(signal.reason), GRACE_MS).unref()
  signal.addEventListener('abort', stop, { once: true, signal: over })
  return controller.signal
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
