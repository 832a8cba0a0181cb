// POST /import?key=COLUMN: profiles as text/csv or application/x-ndjson, with bounded memory.
import type { IncomingMessage } from 'node:http'
import { authorize, type Session } from '../domain/access.ts'
import { AccessError, outageIn, Refusal } from '../domain/errors.ts'
import type { ApiParts } from '../graphql/context.ts'
import { requestId } from '../graphql/request-id.ts'
import type { AuditService } from '../services/audit.ts'
import { importAbout, importProfiles, importSummary } from '../services/import.ts'
import type { Actor } from '../storage/deed.ts'
import { type Answer, errorAnswer, unavailableAnswer } from './answer.ts'

const IDLE_MS = 60_000
const MAX_REJECTIONS = 100
const FORMATS: Record<string, 'csv' | 'ndjson'> = { 'text/csv': 'csv', 'application/x-ndjson': 'ndjson' }

export function importRoute({ database, services: { audit } }: Pick<ApiParts, 'database' | 'services'>) {
  return async (req: IncomingMessage, session: Session): Promise<Answer> => {
    const refused = refuseHeaders(req)
    if (refused) return refused
    const key = new URLSearchParams((req.url ?? '').split('?')[1]).get('key')
    if (!key) return errorAnswer(400, 'BAD_USER_INPUT', 'Name the key: POST /import?key=COLUMN.')
    const left = new AbortController()
    const rejections: object[] = []
    const actor = { session, operation: 'POST /import', requestId: requestId() }
    req.setTimeout(IDLE_MS, () => req.destroy())
    req.once('end', () => req.setTimeout(0))
    req.once('close', () => {
      if (!req.complete) left.abort()
    })
    try {
      await authorizeImport(audit, actor, session)
      const work = () =>
        importProfiles({
          database,
          sandboxId: session.sandbox.id,
          key,
          format: formatOf(req) ?? 'ndjson',
          input: req,
          signal: left.signal,
          onRejected: (row) => {
            if (rejections.length < MAX_REJECTIONS) rejections.push(row)
          },
        })
      const about = importAbout(key)
      const { inserted, updated, rejected } = await audit.throughout(actor, about, work, importSummary)
      return { status: 200, body: { inserted, updated, rejected, rejections } }
    } catch (error) {
      if (error instanceof Refusal) return errorAnswer(400, 'BAD_USER_INPUT', error.message)
      if (error instanceof AccessError) return errorAnswer(403, error.code, error.message)
      if (outageIn(error)) return unavailableAnswer
      throw error
    }
  }
}

/** @throws AccessError, with a line in the audit log */
async function authorizeImport(audit: AuditService, actor: Actor, session: Session): Promise<void> {
  try {
    authorize(session, 'profiles:write')
  } catch (error) {
    await audit.record({ actor, change: null, outcome: 'REFUSED', codes: ['FORBIDDEN'] })
    throw error
  }
}

function refuseHeaders(req: IncomingMessage): Answer | null {
  if (req.method !== 'POST') {
    return { ...errorAnswer(405, 'BAD_REQUEST', 'Use POST.'), headers: { allow: 'POST' } }
  }
  const encoding = req.headers['content-encoding']
  if (formatOf(req) && (!encoding || encoding === 'identity')) return null
  const message = 'Send text/csv or application/x-ndjson, without compression.'
  return errorAnswer(415, 'UNSUPPORTED_MEDIA_TYPE', message)
}

function formatOf(req: IncomingMessage): 'csv' | 'ndjson' | undefined {
  const type = (req.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
  return Object.hasOwn(FORMATS, type) ? FORMATS[type] : undefined
}
