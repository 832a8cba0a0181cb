// Which processes live: each holds an exclusive lock on a file of its own, which the kernel lets go
// when the process ends, however it ends. A pid would not do: pids are used again.
import fs from 'node:fs'
import path from 'node:path'
import BetterSqlite from 'better-sqlite3'

export function processLocks(folder: string) {
  const held = new Map<string, BetterSqlite.Database>()
  const file = (id: string) => path.join(folder, `${id}.lock`)

  const release = (id: string) => {
    held.get(id)?.close()
    held.delete(id)
    fs.rmSync(file(id), { force: true })
  }
  const isAlive = (id: string): boolean => {
    if (held.has(id)) return true
    if (!fs.existsSync(file(id))) return false
    try {
      lock(file(id), { fileMustExist: true }).close()
    } catch {
      return true
    }
    fs.rmSync(file(id), { force: true })
    return false
  }
  const names = () => (fs.existsSync(folder) ? fs.readdirSync(folder) : [])
  const ids = () => names().flatMap((name) => (name.endsWith('.lock') ? [path.basename(name, '.lock')] : []))
  return {
    async register(id: string) {
      fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
      // Looking at the files of dead processes removes them.
      ids().forEach(isAlive)
      // A file that is not locked yet would be taken for that of a dead process.
      const unseen = path.join(folder, `${id}.new`)
      held.set(id, lock(unseen))
      fs.renameSync(unseen, file(id))
    },
    deadAmong: async (some: readonly string[]) => some.filter((id) => !isAlive(id)),
    isAlone: async (id: string) => !ids().some((other) => other !== id && isAlive(other)),
    release: async (id: string) => release(id),
    releaseAll: () => [...held.keys()].forEach(release),
  }
}

/** @throws when another process holds it */
function lock(file: string, options: BetterSqlite.Options = {}): BetterSqlite.Database {
  const connection = new BetterSqlite(file, { timeout: 0, ...options })
  try {
    connection.pragma('journal_mode = DELETE')
    connection.exec('BEGIN EXCLUSIVE')
    return connection
  } catch (error) {
    connection.close()
    throw error
  }
}
