// The requests of SFTP that a delivery needs. What a server refuses is said in the closed set of errors.
import { createHash } from 'node:crypto'
import path from 'node:path/posix'
import type { FileEntryWithStats, SFTPWrapper, Stats } from 'ssh2'
import { DeliveryError } from '../driver.ts'
import type { Answer, Connection } from './connection.ts'
import { refused, STATUS, statusOf } from './errors.ts'

/** Every server takes as much in one request: the protocol asks for 32,768 bytes, some count their headers in. */
export const REQUEST_BYTES = 31 * 1024
const READS_AT_ONCE = 32

export type RemoteFiles = ReturnType<typeof remoteFiles>
type Send<T> = (sftp: SFTPWrapper, answer: Answer<T>) => void

/** @param connection what every method asks; each throws DeliveryError */
export function remoteFiles({ ask }: Pick<Connection, 'ask'>) {
  const get = <T>(what: string, send: Send<T>): Promise<T> =>
    ask(send).catch((error) => {
      throw refused(error, what)
    })
  /** Null where that is not there. */
  const find = <T>(what: string, send: Send<T>): Promise<T | null> =>
    ask(send).catch((error) => {
      if (statusOf(error) === STATUS.noSuchFile) return null
      throw refused(error, what)
    })
  const done = (answer: Answer<true>) => (error?: Error | null) => answer(error, true)
  const stat = (file: string) => find<Stats>(`to look at ${file}`, (sftp, answer) => sftp.stat(file, answer))
  const close = (handle: Buffer) =>
    get<true>('to close a file', (sftp, answer) => sftp.close(handle, done(answer)))

  const files = {
    /** Where the login begins. */
    home: () => get<string>('to say where the login begins', (sftp, answer) => sftp.realpath('.', answer)),

    /** Of whatever has that name, a link itself too; null: nothing. */
    async sizeOf(file: string): Promise<number | null> {
      const stats = await find<Stats>(`to look at ${file}`, (sftp, answer) => sftp.lstat(file, answer))
      return stats?.size ?? null
    },

    /** Makes a folder and those above it that are not there. */
    async makeFolder(folder: string): Promise<void> {
      const stats = await stat(folder)
      if (stats?.isDirectory()) return
      if (stats) {
        const message = `${folder} on the server is no folder.`
        throw new DeliveryError('BAD_SETTINGS', message, { retryable: false })
      }
      if (path.dirname(folder) !== folder) await files.makeFolder(path.dirname(folder))
      try {
        await get<true>(`to make the folder ${folder}`, (sftp, answer) => sftp.mkdir(folder, done(answer)))
      } catch (error) {
        if (!(await stat(folder))?.isDirectory()) throw error // otherwise another run has just made it
      }
    },

    /** A new, empty file under that name. */
    create: (file: string) => get<Buffer>(`to make ${file}`, (sftp, answer) => sftp.open(file, 'w', answer)),

    write: (handle: Buffer, data: Buffer, position: number): Promise<true> =>
      ask<true>((sftp, answer) => sftp.write(handle, data, 0, data.length, position, done(answer))).catch(
        (error) => {
          throw refused(error, 'to write more', true)
        },
      ),

    /** To the server's disk, where it offers that. */
    flush: async (handle: Buffer): Promise<void> => {
      await ask<true>((sftp, answer) =>
        ifOffered(answer, () => sftp.ext_openssh_fsync(handle, done(answer))),
      ).catch((error) => {
        if (statusOf(error) !== STATUS.unsupported)
          throw refused(error, 'to write everything to its disk', true)
      })
    },
    close,

    /** Fails where the new name is taken. */
    rename: (from: string, to: string) =>
      get<true>(`to rename ${from} to ${path.basename(to)}`, (sftp, answer) =>
        sftp.rename(from, to, done(answer)),
      ),

    /**
     * Gives a file its name, whatever has it now. Where the server cannot do that in one step, there is a moment without
     * a file.
     */
    async replace(from: string, to: string): Promise<void> {
      const replaced = await ask<boolean>((sftp, answer) => {
        ifOffered(answer, () => sftp.ext_openssh_rename(from, to, done(answer)))
      }).catch((error) => {
        if (statusOf(error) === STATUS.unsupported) return false
        throw refused(error, `to rename ${from} to ${path.basename(to)}`)
      })
      if (replaced) return
      await files.remove(to)
      await files.rename(from, to)
    },

    /** Nothing happens where nothing is. */
    remove: (file: string) =>
      find<true>(`to remove ${file}`, (sftp, answer) => sftp.unlink(file, done(answer))),

    /** The names in a folder, some at a time; none where there is no folder. */
    async *namesIn(folder: string): AsyncGenerator<string[]> {
      const what = `to list ${folder}`
      const handle = await find<Buffer>(what, (sftp, answer) => sftp.opendir(folder, answer))
      if (handle === null) return
      try {
        while (true) {
          const entries = await ask<FileEntryWithStats[]>((sftp, answer) =>
            sftp.readdir(handle, answer),
          ).catch((error) => {
            if (statusOf(error) === STATUS.endOfFile) return null
            throw refused(error, what)
          })
          if (entries === null) break
          yield entries.map((entry) => entry.filename)
        }
      } finally {
        await close(handle).catch(() => {})
      }
    },

    /** SHA-256 in hex of what is in a file of that size. */
    async hashOf(file: string, size: number): Promise<string> {
      const what = `to read ${file}`
      const handle = await get<Buffer>(what, (sftp, answer) => sftp.open(file, 'r', answer))
      const hash = createHash('sha256')
      const readAt = async (position: number, length: number) => {
        const buffer = Buffer.allocUnsafe(length)
        let got = 0
        while (got < length) {
          const at = got
          const count = await get<number>(what, (sftp, answer) =>
            sftp.read(handle, buffer, at, length - at, position + at, answer),
          )
          if (count === 0) break // it has become shorter
          got += count
        }
        return buffer.subarray(0, got)
      }
      try {
        for (let position = 0; position < size; ) {
          const reads: Promise<Buffer>[] = []
          for (; reads.length < READS_AT_ONCE && position < size; position += REQUEST_BYTES)
            reads.push(readAt(position, Math.min(REQUEST_BYTES, size - position)))
          for (const piece of await Promise.all(reads)) hash.update(piece)
        }
        return hash.digest('hex')
      } finally {
        await close(handle).catch(() => {})
      }
    },
  }
  return files
}

/** The library throws at once for what a server has not offered. */
function ifOffered(answer: Answer<never>, send: () => void): void {
  try {
    send()
  } catch {
    answer(Object.assign(new Error('not offered'), { code: STATUS.unsupported }), undefined as never)
  }
}
