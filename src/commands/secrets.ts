import type { Config } from '../config.ts'
import { createLogger } from '../logger.ts'
import { addSecretsKey, forgetOldKeys, loadSecretsKeys, requireSecretsKey } from '../secrets-key.ts'
import { auditService } from '../services/audit.ts'
import { type Resealed, resealAll } from '../services/resealing.ts'
import { auditTrail } from '../storage/audit-trail.ts'
import { openDatabase } from '../storage/open.ts'
import { sealedHeads } from '../storage/sealed.ts'
import { createVault, HEAD_LENGTH, headOf, keyIdOf } from '../vault.ts'
import { localActor, registered, requireDatabase } from './database.ts'
import { Failure } from './failure.ts'
import { count, note, print, printJson } from './output.ts'

/**
 * Seals all stored secrets with another key: a new one in the file, or SECRETS_KEY. Killed in the middle, it leaves a
 * gateway that works, and called again, it goes on.
 * @throws Failure saying what to do when a gateway runs, or a key is missing
 */
export async function rotateSecrets(config: Config, options: { json?: boolean }): Promise<void> {
  if (config.secretsKey !== null && config.secretsKeyOld === null) {
    throw new Failure(
      'SECRETS_KEY is set, so the new key comes from you. Put the key of now into SECRETS_KEY_OLD, a new one («openssl rand -base64 32») into SECRETS_KEY, then call this again.',
    )
  }
  requireDatabase(config)
  const { trail, database } = auditTrail(openDatabase(config.databaseUrl), () => new Date())
  const audit = auditService({ database, trail, log: createLogger(config) })
  let result: Resealed
  try {
    await database.migrate()
    const isAlone = await registered(database)
    if (!(await isAlone())) {
      throw new Failure(
        'A gateway or worker runs on this database, and would go on with the key of now. Stop it, call this again, then start it.',
      )
    }
    requireSecretsKey(config, await sealedHeads(database, HEAD_LENGTH))
    if (config.secretsKey === null) addSecretsKey(config)
    const [key] = loadSecretsKeys(config)
    const vault = createVault(() => loadSecretsKeys(config))
    result = await audit.throughout(
      localActor('secrets rotate', null),
      { type: 'secrets', id: keyIdOf(key) },
      () => resealAll(database, vault, headOf(key)),
      ({ unreadable, ...counts }) => ({ after: { ...counts, unreadable: unreadable.map(({ id }) => id) } }),
    )
    if (!(await isAlone())) {
      throw new Failure('A gateway was started meanwhile. Stop it, call this again, then start it.')
    }
  } finally {
    await database.close()
  }
  // Only now is all on the disk that was sealed with the new key.
  if (config.secretsKey === null) forgetOldKeys(config)
  tell(config, result, options)
}

function tell(config: Config, result: Resealed, { json }: { json?: boolean }): void {
  const key = keyIdOf(loadSecretsKeys(config)[0])
  if (json) {
    printJson({ key, ...result })
    return
  }
  const { accounts, notificationTargets: targets, signingKeys, unreadable } = result
  print(
    `sealed with the key ${key}: ${count(accounts)} accounts, ${count(targets)} notification targets, ${count(signingKeys)} signing keys`,
  )
  for (const { id, reason } of unreadable) note(`${id} cannot be opened: ${reason}`)
  if (unreadable.length > 0) note('What cannot be opened stays as it is: enter those secrets again.')
  if (config.secretsKey !== null) note('SECRETS_KEY_OLD is needed no more, but for backups from before.')
}
