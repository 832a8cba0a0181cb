// Every way a command can fail, told as sentences that say what to do, and its exit code.
import { ConfigError } from '../config.ts'
import { AccessError, outageIn, Refusal } from '../domain/errors.ts'

/** A command cannot do what it was asked; the message says what to do. Exit code 1, or 2 for wrong usage. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly exitCode: 1 | 2
  constructor(message: string, options: { exitCode?: 1 | 2; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.exitCode = options.exitCode ?? 1
  }
}

/** The lines to print on stderr for an error, and the exit code. */
export function explain(error: unknown): { lines: string[]; exitCode: 1 | 2 } {
  if (error instanceof ConfigError) {
    return { lines: ['These settings cannot be used:', ...error.problems.map((p) => `  ${p}`)], exitCode: 2 }
  }
  if (error instanceof Failure) return { lines: error.message.split('\n'), exitCode: error.exitCode }
  if (error instanceof Refusal) return { lines: error.errors.map(({ message }) => message), exitCode: 1 }
  const told = error instanceof AccessError ? error : outageIn(error)
  if (told) return { lines: [told.message], exitCode: 1 }
  return { lines: [systemSentence(error)], exitCode: 1 }
}

function systemSentence(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code, address, port, path } = Object.assign({ code: '', address: '', port: '', path: '' }, error)
  const sentences: Record<string, string> = {
    EADDRINUSE: `${address}:${port} is in use by another program. Stop that one, or set PORT to another port (0 takes a free one).`,
    EADDRNOTAVAIL: `This machine has no address ${address}. Set HOST to one of its own, e.g. 127.0.0.1 or 0.0.0.0.`,
    ENOTFOUND: 'The name in HOST is not known. Set HOST to an address of this machine, e.g. 127.0.0.1.',
    ENOENT: `There is no ${path}. Check the path.`,
    EISDIR: `${path || 'The path'} is a folder. Name a file.`,
    EACCES: path
      ? `${path} may not be opened. Check its permissions and who runs this.`
      : `Port ${port} may not be opened by this user. Set PORT to one above 1023.`,
    EPERM: `${path} may not be opened. Check its permissions and who runs this.`,
    EROFS: `${path} is on a disk that is read-only. Point DATA_DIR elsewhere.`,
    ENOSPC: 'The disk is full. Free space, then try again.',
    SQLITE_FULL: 'The disk of the database is full. Free space, then try again.',
  }
  return sentences[code] ?? error.message
}
