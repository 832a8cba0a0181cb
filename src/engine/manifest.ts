import type { FinishedPart } from '../domain/model.ts'
import type { Row } from '../storage/tables.ts'
import { recipientOf } from './encryption.ts'

/** The manifest: what was sent, file by file, to check it against. The same run gives the same bytes every time. */
export async function manifestOf(run: Row<'runs'>, parts: readonly FinishedPart[]): Promise<Uint8Array> {
  const { plan } = run
  const { publicKey, ...format } = plan.fileFormat ?? {}
  const manifest = {
    version: 1,
    run: run.id,
    activation: run.activationId,
    dataflow: plan.dataflow,
    destination: { id: plan.destination.id, name: plan.destination.name },
    segment: plan.segment,
    snapshot: plan.snapshot.id,
    // Not the whole segment: who came and went since that snapshot.
    ...(plan.since !== undefined && { since: plan.since.id }),
    // Not the whole segment: what the destination refused in that run.
    ...(plan.refusedIn !== undefined && { refusedIn: plan.refusedIn }),
    startedAt: run.startedAt?.toISOString() ?? null,
    format,
    ...(publicKey !== undefined && { encryption: { scheme: 'OPENPGP', ...(await recipientOf(publicKey)) } }),
    columns: plan.fields.map(({ target, ...field }) => ({ name: target, ...field })),
    rows: parts.reduce((sum, part) => sum + part.rows, 0),
    bytes: parts.reduce((sum, part) => sum + part.bytes, 0),
    files: parts.map(({ name, rows, bytes, sha256 }) => ({ name: baseName(name), rows, bytes, sha256 })),
  }
  return Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`)
}

/** The manifest lies beside its files. */
const baseName = (name: string): string => name.slice(name.lastIndexOf('/') + 1)
