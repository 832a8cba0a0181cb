// Files on a local disk: a part is written under a hidden temporary name that carries the run and its fencing token,
// flushed, then given its final name in one step. A hard link never overwrites; a rename replaces a static name.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import fs from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { DeliveryError, type DeliveryTarget, type FileDelivery } from '../driver.ts'

const FLUSH_BYTES = 8 * 1024 * 1024

export async function localDelivery(exportRoot: string, target: DeliveryTarget): Promise<FileDelivery> {
  const { path: folder } = target.settings as { path: string } // parsed by the driver's schema when it was stored
  const base = path.join(exportRoot, folder)
  const final = (name: string) => path.join(base, name)
  const temporary = (name: string, fence: number) =>
    path.join(path.dirname(final(name)), `.${target.runId}-${fence}-${path.basename(name)}.part`)
  const location = (name: string) => path.relative(exportRoot, final(name)).split(path.sep).join('/')
  const prepareFolder = (name: string) => confinedFolder(exportRoot, path.dirname(final(name)))

  await guarded(() => confinedFolder(exportRoot, base))

  return {
    exists: (name) => guarded(async () => (await sizeOf(final(name))) !== null),

    openPart: (name) =>
      guarded(async () => {
        await prepareFolder(name)
        const file = await fs.open(temporary(name, target.fence), 'w', 0o640)
        const flushed = flushedAsItGrows(file)
        return {
          write: (chunk) =>
            guarded(async () => {
              for (let done = 0; done < chunk.length; ) done += (await file.write(chunk, done)).bytesWritten
              await flushed.grow(chunk.length)
            }),
          finish: () =>
            guarded(async () => {
              await flushed.grow(0)
              await file.sync()
              await file.close()
              await syncFolder(path.dirname(final(name)))
              return null
            }),
          abort: async () => {
            await file.close().catch(() => {})
            await fs.rm(temporary(name, target.fence), { force: true })
          },
        }
      }),

    hasPart: ({ name, fence, bytes }) =>
      guarded(async () => (await sizeOf(temporary(name, fence))) === bytes),

    publish: (part, { replace }) =>
      guarded(async () => {
        const [from, to] = [temporary(part.name, part.fence), final(part.name)]
        await prepareFolder(part.name)
        await (replace ? replaceWith(from, to, part.sha256) : linkTo(from, to, part.sha256))
        await syncFolder(path.dirname(to))
        return location(part.name)
      }),

    putFile: (name, content) =>
      guarded(async () => {
        await prepareFolder(name)
        const from = temporary(name, target.fence)
        const file = await fs.open(from, 'w', 0o640)
        try {
          await file.writeFile(content)
          await file.sync()
        } finally {
          await file.close()
        }
        await fs.rename(from, final(name))
        await syncFolder(path.dirname(final(name)))
        return location(name)
      }),

    discard: (name, keep) =>
      guarded(async () => {
        const folder = path.dirname(final(name))
        const kept = new Set(keep.map((part) => temporary(part.name, part.fence)))
        const entries = await fs.readdir(folder).catch(() => [])
        const mine = entries.filter(
          (entry) => entry.startsWith(`.${target.runId}-`) && entry.endsWith('.part'),
        )
        for (const entry of mine) {
          const file = path.join(folder, entry)
          if (!kept.has(file)) await fs.rm(file, { force: true })
        }
      }),
  }
}

/** Flushes every few megabytes while more are written, so that the end does not wait for the whole file. */
function flushedAsItGrows(file: fs.FileHandle) {
  let flushing: Promise<void> | null = null
  let failure: unknown = null
  let grown = 0
  return {
    async grow(bytes: number): Promise<void> {
      grown += bytes
      if (bytes === 0) await flushing
      if (failure) throw failure
      if (flushing || grown < FLUSH_BYTES) return
      grown = 0
      flushing = file
        .datasync()
        .catch((error: unknown) => {
          failure = error
        })
        .finally(() => {
          flushing = null
        })
    },
  }
}

/** Makes the folder, and refuses one that a symbolic link leads out of the root. */
async function confinedFolder(root: string, folder: string): Promise<void> {
  const realRoot = await fs.realpath(root)
  const steps = path.relative(root, folder).split(path.sep).filter(Boolean)
  let current = realRoot
  for (const step of steps) {
    current = path.join(current, step)
    await fs.mkdir(current, { mode: 0o750 }).catch((error) => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
    const real = await fs.realpath(current)
    if (real !== realRoot && !real.startsWith(realRoot + path.sep)) {
      throw new DeliveryError(
        'BAD_SETTINGS',
        `The folder ${step} leads out of EXPORT_ROOT. Remove the symbolic link.`,
        { retryable: false },
      )
    }
    current = real
  }
}

/** Gives the part its name unless another file has it. Repeated after a crash, it finds its own file and is content. */
async function linkTo(from: string, to: string, sha256: string): Promise<void> {
  try {
    await fs.link(from, to)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EEXIST' || code === 'ENOENT') await adopt(from, to, sha256)
    else if (code === 'EPERM' || code === 'ENOTSUP' || code === 'EOPNOTSUPP')
      await renameUnlessTaken(from, to)
    else throw error
  }
  await fs.rm(from, { force: true })
}

async function adopt(from: string, to: string, sha256: string): Promise<void> {
  const [mine, theirs] = await Promise.all([fs.stat(from).catch(() => null), fs.stat(to).catch(() => null)])
  const isMine =
    theirs !== null &&
    (mine === null ? (await hashOf(to)) === sha256 : mine.ino === theirs.ino && mine.dev === theirs.dev)
  if (isMine) return
  if (theirs === null)
    throw new DeliveryError('UNAVAILABLE', 'A finished part has disappeared from the folder.', {
      retryable: true,
    })
  throw new DeliveryError('NAME_TAKEN', `${path.basename(to)} exists already.`, { retryable: true })
}

/** For file systems without hard links. */
async function renameUnlessTaken(from: string, to: string): Promise<void> {
  if ((await sizeOf(to)) !== null) {
    throw new DeliveryError('NAME_TAKEN', `${path.basename(to)} exists already.`, { retryable: true })
  }
  await fs.rename(from, to)
}

async function replaceWith(from: string, to: string, sha256: string): Promise<void> {
  try {
    await fs.rename(from, to)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    await adopt(from, to, sha256)
  }
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

async function sizeOf(file: string): Promise<number | null> {
  try {
    return (await fs.stat(file)).size
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}

/** A new name is safe only when its folder is flushed too. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await fs.open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof DeliveryError ? error : classified(error)
  }
}

function classified(error: unknown): unknown {
  const options = (retryable: boolean) => ({ retryable, cause: error })
  switch (codeOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new DeliveryError(
        'OUT_OF_SPACE',
        'The disk of the export folder is full. Free space, then retry the run.',
        options(true),
      )
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new DeliveryError(
        'REFUSED_WRITE',
        'The gateway may not write to the export folder. Give it write permission, then retry the run.',
        options(false),
      )
    case 'ENOTDIR':
    case 'ELOOP':
    case 'ENAMETOOLONG':
    case 'EISDIR':
      return new DeliveryError(
        'BAD_SETTINGS',
        'The export folder or file name cannot be used: a step of it is no folder, or a name is too long.',
        options(false),
      )
    case 'EIO':
    case 'ENOENT':
      return new DeliveryError(
        'UNAVAILABLE',
        'The export folder is not reachable. Check that EXPORT_ROOT exists.',
        options(true),
      )
    default:
      return error
  }
}

const codeOf = (error: unknown): string | undefined => (error as { code?: string } | null)?.code
