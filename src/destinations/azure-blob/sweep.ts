// What a run staged and never published. The service forgets single blocks only after a week; but a blob that nobody
// has committed can be committed empty, which drops its blocks, and be deleted. Both only on condition that the blob
// is new, and is still the one that was made: a file that exists is never touched.
import type { BlobGetPropertiesResponse, Block, ContainerClient } from '@azure/storage-blob'
import type { Logger } from '../../domain/ports.ts'
import { fenceOf } from './blocks.ts'
import { type Call, errorCodeOf } from './call.ts'
import type { Login } from './login.ts'

/** On a blob that is there for the moment between the two steps, or since somebody was killed between them. */
const MARK = { gateway_swept: 'true' }

export const isSweepMark = ({ metadata, contentLength }: BlobGetPropertiesResponse): boolean =>
  contentLength === 0 && metadata?.gateway_swept === MARK.gateway_swept

interface SweepOptions {
  folder: ContainerClient
  call: Call
  runId: string
  fence: number
  login: Login
  log: Logger
}

export function sweeper({ folder, call, runId, fence, login, log }: SweepOptions) {
  const may = (permission: string) => login.key !== null || (login.permissions?.includes(permission) ?? false)

  const blocksOf = async (name: string): Promise<{ committed: Block[]; uncommitted: Block[] }> =>
    call(async (abortSignal) => {
      try {
        const list = await folder.getBlockBlobClient(name).getBlockList('all', { abortSignal })
        return { committed: list.committedBlocks ?? [], uncommitted: list.uncommittedBlocks ?? [] }
      } catch (error) {
        if (errorCodeOf(error) === 'BlobNotFound') return { committed: [], uncommitted: [] }
        throw error
      }
    })

  /** A newer claim's blocks are not for this one to drop, nor are those of anybody else. */
  const isMine = ({ name }: Block) => {
    const staged = fenceOf(name, runId)
    return staged !== null && staged <= fence
  }

  /** Where nothing may be deleted, an empty blob would stay. A signature cannot ask: it is made with `d`, or without. */
  const isKeptForEver = async (): Promise<boolean> => {
    if (login.key === null) return false
    const there = await call((abortSignal) => folder.getProperties({ abortSignal }))
    const { hasImmutabilityPolicy, hasLegalHold, isImmutableStorageWithVersioningEnabled } = there
    return Boolean(hasImmutabilityPolicy || hasLegalHold || isImmutableStorageWithVersioningEnabled)
  }

  const remove = async (name: string): Promise<void> => {
    if (await isKeptForEver()) return
    const blob = folder.getBlockBlobClient(name)
    const etag = await call(async (abortSignal) => {
      try {
        return (
          await blob.commitBlockList([], { abortSignal, conditions: { ifNoneMatch: '*' }, metadata: MARK })
        ).etag
      } catch (error) {
        if (errorCodeOf(error) !== 'BlobAlreadyExists' && errorCodeOf(error) !== 'ConditionNotMet')
          throw error
        const there = await blob.getProperties({ abortSignal })
        return isSweepMark(there) ? there.etag : undefined
      }
    })
    if (!etag) return
    await call(async (abortSignal) => {
      try {
        await blob.delete({ abortSignal, conditions: { ifMatch: etag } })
      } catch (error) {
        if (errorCodeOf(error) !== 'BlobNotFound' && errorCodeOf(error) !== 'ConditionNotMet') throw error
      }
    })
  }

  return {
    uncommitted: async (name: string): Promise<Block[]> => (await blocksOf(name)).uncommitted,

    /** Drops what is staged under the name if all of it is this run's, and no file has the name. */
    async blob(name: string): Promise<void> {
      if (!may('d')) return
      const { committed, uncommitted } = await blocksOf(name)
      const isStagedAlone = committed.length === 0 && uncommitted.length > 0
      if (isStagedAlone && uncommitted.every(isMine)) await remove(name)
    },

    /** The same for every name that begins as this run's files do. */
    async all(name: string, keep: ReadonlySet<string>): Promise<void> {
      if (!may('d') || !may('l')) {
        log.debug({ runId }, 'the signature does not allow to delete what was staged: it goes after a week')
        return
      }
      const prefix = beginningOf(name, runId)
      let continuationToken: string | undefined
      do {
        const page = await call(async (abortSignal) => {
          const pages = folder.listBlobsFlat({
            prefix,
            includeUncommitedBlobs: true,
            includeMetadata: true,
            abortSignal,
          })
          const { value } = await pages
            .byPage({ maxPageSize: 5000, ...(continuationToken && { continuationToken }) })
            .next()
          return value
        })
        for (const { name, properties, metadata } of page?.segment.blobItems ?? []) {
          if (properties.contentLength !== 0 || keep.has(name)) continue
          if (metadata?.gateway_swept === MARK.gateway_swept) await remove(name)
          else await this.blob(name)
        }
        continuationToken = page?.continuationToken
      } while (continuationToken)
    },
  }
}

/** All parts of a run, under whatever of its names, begin with this. */
function beginningOf(name: string, runId: string): string {
  const withoutEnding = name.replace(/\.[^./]*$/, '')
  return withoutEnding.endsWith(`_${runId}`) ? withoutEnding.slice(0, -runId.length - 1) : withoutEnding
}
