// Servers that npm does not bring. A suite that needs one says so here, so that nobody takes a suite that was left out
// for one that passed.
import fs from 'node:fs'
import path from 'node:path'
import { expect, inject } from 'vitest'

/** What `npm test` says at its end for each program that a suite went without; one line of the file is one of them. */
export interface LeftOut {
  suite: string
  program: string
  package: string
}
declare module 'vitest' {
  export interface ProvidedContext {
    /** The file that `left-out.ts` reads at the end. */
    leftOut: string
  }
}

/** Where distributions put servers, which is not on the PATH of an ordinary user, and libraries. */
const FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/sbin', '/usr/lib', ...librariesOf('/usr/lib')]

/**
 * The path of a program, or a library, from the distribution's packages. Null: it is not here, so leave out what needs it by
 * `describe.runIf(program)`; `npm test` says at its end what was left out. Call it while the suite is collected.
 * @throws in CI, where nothing may be left out
 */
export function needs(program: string, options: { package: string }): string | null {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), ...FOLDERS]
  const found = folders.map((folder) => path.join(folder, program)).find((file) => fs.existsSync(file))
  if (found) return found
  if (process.env.CI) {
    throw new Error(`This suite needs ${program}: apt-get install ${options.package} (.ci/run does it).`)
  }
  const suite = path.relative(process.cwd(), expect.getState().testPath ?? 'a suite')
  const leftOut: LeftOut = { suite, program, package: options.package }
  fs.appendFileSync(inject('leftOut'), `${JSON.stringify(leftOut)}\n`)
  return null
}

/** One folder for each kind of machine. */
function librariesOf(folder: string): string[] {
  const entries = fs.existsSync(folder) ? fs.readdirSync(folder) : []
  return entries.filter((name) => name.includes('-linux-')).map((name) => path.join(folder, name))
}
