// Files in a container: a part is staged as blocks under its final name, where nobody sees them, and the list of its
// blocks makes it appear whole. Blocks that are never listed cost their room, and go by themselves after a week.
import type { BlobGetPropertiesResponse } from '@azure/storage-blob'
import type { FinishedPart } from '../../domain/model.ts'
import { DeliveryError, type DeliveryTarget, type FileDelivery } from '../driver.ts'
import type { Outbound } from '../outbound.ts'
import { blockId, blockIds } from './blocks.ts'
import { caller, errorCodeOf } from './call.ts'
import { serviceOf } from './client.ts'
import type { Login } from './login.ts'
import { stagedPart } from './staged-part.ts'
import { isSweepMark, sweeper } from './sweep.ts'

export interface AzureDeliveryOptions {
  target: DeliveryTarget
  login: Login
  outbound: Outbound
  callMs: number
}

/** What the service says of a blob that keeps If-None-Match from holding. */
const TAKEN = ['BlobAlreadyExists', 'ConditionNotMet', 'UnauthorizedBlobOverwrite']

export function azureDelivery({ target, login, outbound, callMs }: AzureDeliveryOptions): FileDelivery {
  const { runId, fence, signal, log } = target
  const { container, path } = target.settings as { container: string; path: string } // parsed when it was stored
  const folder = serviceOf(login, outbound).getContainerClient(container)
  const fullName = (name: string) => (path === '' ? name : `${path}/${name}`)
  const blobOf = (name: string) => folder.getBlockBlobClient(fullName(name))
  const location = (name: string) => blobOf(name).url.split('?')[0] ?? ''
  const call = caller(signal, callMs)
  const sweep = sweeper({ folder, call, runId, fence, login, log })

  const propertiesOf = (name: string): Promise<BlobGetPropertiesResponse | null> =>
    call((abortSignal) =>
      blobOf(name)
        .getProperties({ abortSignal })
        .catch((error) => {
          if (errorCodeOf(error) === 'BlobNotFound') return null
          throw error
        }),
    )
  /** Null: done; otherwise why the service did not do it. */
  const commit = (part: FinishedPart, conditions: { ifNoneMatch?: string; ifMatch?: string }) =>
    call((abortSignal) =>
      blobOf(part.name)
        .commitBlockList(blockIds(runId, part.fence, blocksOf(part)), {
          abortSignal,
          conditions,
          metadata: { gateway_run: runId, gateway_sha256: part.sha256 },
        })
        .then(
          () => null,
          (error) => {
            const code = errorCodeOf(error) ?? ''
            if (TAKEN.includes(code) || code === 'InvalidBlockList') return code
            throw error
          },
        ),
    )

  return {
    async exists(name) {
      const there = await propertiesOf(name)
      return there !== null && !isSweepMark(there)
    },

    async openPart(name) {
      return stagedPart({
        blob: blobOf(name),
        idOf: (index) => blockId(runId, fence, index),
        signal,
        callMs,
        // Whoever ended the run discards what it left; a claim that was lost leaves it to the one that has it.
        sweep: async () => (signal.aborted ? undefined : sweep.blob(fullName(name))),
      })
    },

    async hasPart(part) {
      const wanted = new Set(blockIds(runId, part.fence, blocksOf(part)))
      const there = await sweep.uncommitted(fullName(part.name))
      const mine = there.filter(({ name }) => wanted.has(name))
      const bytes = mine.reduce((sum, { size }) => sum + size, 0)
      return mine.length === wanted.size && bytes === part.bytes
    },

    async publish(part, { replace }) {
      let refusal = await commit(part, replace ? {} : { ifNoneMatch: '*' })
      if (refusal === null) return location(part.name)
      const there = await propertiesOf(part.name)
      if (isOurs(there, runId, part)) return location(part.name)
      if (there?.etag && isSweepMark(there)) refusal = await commit(part, { ifMatch: there.etag })
      if (refusal === null) return location(part.name)
      const message =
        refusal === 'InvalidBlockList'
          ? `What was staged for ${part.name} is gone: another run wrote a file of that name.`
          : `${part.name} exists already.`
      throw new DeliveryError('NAME_TAKEN', message, { retryable: true })
    },

    async putFile(name, content) {
      const metadata = { gateway_run: runId }
      await call((abortSignal) => blobOf(name).upload(content, content.length, { abortSignal, metadata }))
      return location(name)
    },

    async discard(name, keep) {
      await sweep.all(fullName(name), new Set(keep.map((part) => fullName(part.name))))
    },
  }
}

function blocksOf({ receipt }: FinishedPart): number {
  const { blocks = 0 } = (receipt ?? {}) as { blocks?: number } // as the part's writer gave it; none for an empty part
  return blocks
}

/** Of this run, with the same content: an earlier attempt has published it, and was not told, or could not say so. */
function isOurs(there: BlobGetPropertiesResponse | null, runId: string, part: FinishedPart): boolean {
  const { gateway_run, gateway_sha256 } = there?.metadata ?? {}
  return gateway_run === runId && gateway_sha256 === part.sha256 && there?.contentLength === part.bytes
}
