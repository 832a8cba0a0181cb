import fs from 'node:fs'
import path from 'node:path'

/** What the suite of faults asks of a place whose files are on this machine; hidden ones are temporary. */
export function filesIn(folderOf: (exportRoot: string) => string) {
  const names = (folder: string) => (fs.existsSync(folder) ? fs.readdirSync(folder) : [])
  return {
    async files(exportRoot: string): Promise<Map<string, Buffer>> {
      const folder = folderOf(exportRoot)
      const visible = names(folder).filter((name) => !name.startsWith('.'))
      return new Map(visible.map((name) => [name, fs.readFileSync(path.join(folder, name))]))
    },
    leftovers: async (exportRoot: string) =>
      names(folderOf(exportRoot)).filter((name) => name.startsWith('.')),
    clear: async (exportRoot: string) => fs.rmSync(folderOf(exportRoot), { recursive: true, force: true }),
  }
}
