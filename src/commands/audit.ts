import type { Config } from '../config.ts'
import { createLogger } from '../logger.ts'
import { auditService } from '../services/audit.ts'
import { auditTrail } from '../storage/audit-trail.ts'
import { openDatabase } from '../storage/open.ts'
import { requireDatabase } from './database.ts'
import { Failure } from './failure.ts'
import { count, print, printJson } from './output.ts'

const PROBLEMS = {
  CHANGED: 'was changed, or the one before it was',
  MISSING: 'does not follow on the one before it: lines between were taken out',
  CUT: 'is the oldest, and nothing says that those before it were to go',
}

/**
 * Checks that no line of the audit log was changed, put in or taken out, while the gateway runs or not. The newest line's
 * number and hash, noted elsewhere, show later that nothing was taken away at the end.
 * @throws Failure naming the first line that does not hold
 */
export async function verifyAudit(config: Config, options: { json?: boolean }): Promise<void> {
  requireDatabase(config)
  const { trail, database } = auditTrail(openDatabase(config.databaseUrl), () => new Date())
  try {
    await database.migrate()
    const report = await auditService({ database, trail, log: createLogger(config) }).verify()
    const { broken, newest, lines } = report
    if (options.json) printJson(report)
    if (broken)
      throw new Failure(`The audit log does not hold: line ${broken.seq} ${PROBLEMS[broken.problem]}.`)
    if (!options.json) {
      print(
        `${count(lines)} lines hold together${newest ? `; the newest is ${newest.seq} ${newest.hash}` : ''}`,
      )
    }
  } finally {
    await database.close()
  }
}
