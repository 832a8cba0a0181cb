// Files on an SFTP server: a part is written beside its final place under a hidden temporary name that carries the run
// and its fencing token, flushed, then renamed. A plain rename never overwrites; a static name is replaced.
import path from 'node:path/posix'
import type { FinishedPart } from '../../domain/model.ts'
import { DeliveryError, type FileDelivery } from '../driver.ts'
import { unavailable } from './errors.ts'
import { partWriter } from './part.ts'
import type { RemoteFiles } from './remote-files.ts'

export interface SftpDeliveryOptions {
  files: RemoteFiles
  /** Where the names of files begin, from the server's root. */
  base: string
  /** Of locations, e.g. sftp://sftp.example.com. */
  server: string
  runId: string
  fence: number
}

export function sftpDelivery({ files, base, server, runId, fence }: SftpDeliveryOptions): FileDelivery {
  const final = (name: string) => path.join(base, name)
  const temporary = (name: string, fence: number) =>
    path.join(path.dirname(final(name)), `.${runId}-${fence}-${path.basename(name)}.part`)
  const location = (name: string) => `${server}${final(name)}`
  const create = async (name: string) => {
    await files.makeFolder(path.dirname(final(name)))
    return partWriter(files, temporary(name, fence))
  }
  const isOurs = async (to: string, { bytes, sha256 }: FinishedPart) =>
    (await files.sizeOf(to)) === bytes && (await files.hashOf(to, bytes)) === sha256

  /** Repeated after a crash, it finds its own file and is content. */
  const renameUnlessTaken = async (from: string, to: string, part: FinishedPart) => {
    const refusal = await tryRename(files, from, to)
    if (refusal === null) return
    if ((await files.sizeOf(to)) === null) throw (await files.sizeOf(from)) === null ? gone() : refusal
    if (await isOurs(to, part)) return void (await files.remove(from))
    throw new DeliveryError('NAME_TAKEN', `${path.basename(to)} exists already.`, { retryable: true })
  }
  const replace = async (from: string, to: string, part: FinishedPart) => {
    if ((await files.sizeOf(from)) !== null) return files.replace(from, to)
    if (!(await isOurs(to, part))) throw gone()
  }

  return {
    exists: async (name) => (await files.sizeOf(final(name))) !== null,
    openPart: create,
    hasPart: async (part) => (await files.sizeOf(temporary(part.name, part.fence))) === part.bytes,

    async publish(part, options) {
      const [from, to] = [temporary(part.name, part.fence), final(part.name)]
      await (options.replace ? replace : renameUnlessTaken)(from, to, part)
      return location(part.name)
    },

    async putFile(name, content) {
      const writer = await create(name)
      await writer.write(content)
      await writer.finish()
      await files.replace(temporary(name, fence), final(name))
      return location(name)
    },

    async discard(name, keep) {
      const folder = path.dirname(final(name))
      const kept = new Set(keep.map((part) => temporary(part.name, part.fence)))
      const left: string[] = []
      for await (const names of files.namesIn(folder)) {
        const mine = names.filter((one) => one.startsWith(`.${runId}-`) && one.endsWith('.part'))
        left.push(...mine.map((one) => path.join(folder, one)).filter((file) => !kept.has(file)))
      }
      for (const file of left) await files.remove(file)
    },
  }
}

/** Why it was not renamed, or null. Not every server refuses a name that is taken, so it is asked for first. */
async function tryRename(files: RemoteFiles, from: string, to: string): Promise<unknown> {
  const taken = await files.sizeOf(to)
  if (taken !== null) return new Error('taken')
  return files.rename(from, to).then(
    () => null,
    (error: unknown) => error,
  )
}

function gone(): DeliveryError {
  return unavailable('A finished part has disappeared from the folder.')
}
