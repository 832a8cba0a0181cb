import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

const SRC = path.join(import.meta.dirname, '../../src')
const files = (fs.readdirSync(SRC, { recursive: true }) as string[])
  .filter((file) => file.endsWith('.ts'))
  .sort()

/** What each layer may import, besides itself. Packages are free but for the domain. */
const MAY_IMPORT: Record<string, string[]> = {
  domain: [],
  storage: ['domain'],
  destinations: ['domain'],
  services: ['domain', 'storage', 'destinations'],
  engine: ['domain', 'storage', 'destinations'],
  graphql: ['domain', 'storage', 'destinations', 'services', 'engine'],
  http: ['domain', 'storage', 'services', 'graphql'],
  commands: ['domain', 'storage', 'destinations', 'services', 'engine', 'graphql', 'http', '.'],
}
const layerOf = (file: string) => (file.includes('/') ? file.slice(0, file.indexOf('/')) : '.')

interface Import {
  file: string
  line: number
  specifier: string
  isType: boolean
  /** Path below src, or null for a package. */
  target: string | null
}
function importsOf(file: string): Import[] {
  const text = fs.readFileSync(path.join(SRC, file), 'utf8')
  const found = text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'|new URL\('(\.[^']+\.ts)'/g)
  return [...found].map((match) => {
    const specifier = match[1] ?? match[2] ?? ''
    const target = specifier.startsWith('.') ? path.posix.join(path.posix.dirname(file), specifier) : null
    const statement = text.slice(text.lastIndexOf('\n', match.index) + 1, match.index)
    const isType = statement.startsWith('import type ')
    return { file, isType, line: text.slice(0, match.index).split('\n').length, specifier, target }
  })
}
const at = ({ file, line, specifier }: Import) => `src/${file}:${line} imports ${specifier}`
const all = files.flatMap(importsOf)

describe('imports go one way', () => {
  it('between the layers: domain <- storage, destinations <- services, engine <- graphql <- http', () => {
    const wrong = all.filter(({ file, target }) => {
      const from = layerOf(file)
      const allowed = MAY_IMPORT[from]
      return target !== null && allowed && layerOf(target) !== from && !allowed.includes(layerOf(target))
    })
    expect(wrong.map(at), 'Move the shared part to an inner layer, or pass it in from compose.ts.').toEqual(
      [],
    )
  })

  it('into the domain never: it knows no package and no node: module', () => {
    const wrong = all.filter(({ file, target }) => layerOf(file) === 'domain' && target === null)
    expect(wrong.map(at), 'Declare what the domain needs in domain/ports.ts and pass it in.').toEqual([])
  })

  it('between drivers never', () => {
    const wrong = all.filter(({ file, target }) => {
      const [layer, driver, rest] = file.split('/')
      const [otherLayer, otherDriver, otherRest] = target?.split('/') ?? []
      const isDriver = layer === 'destinations' && rest !== undefined
      return isDriver && otherLayer === 'destinations' && otherRest !== undefined && otherDriver !== driver
    })
    expect(wrong.map(at), 'Put what drivers share beside driver.ts.').toEqual([])
  })

  it('from the engine and the services to driver.ts, account.ts and the registry, and to no driver', () => {
    const wrong = all.filter(({ file, target }) => {
      const isInner = ['engine', 'services', 'graphql', 'http'].includes(layerOf(file))
      return (
        isInner &&
        target?.startsWith('destinations/') &&
        !/^destinations\/(account|driver|registry)\.ts$/.test(target)
      )
    })
    expect(wrong.map(at), 'Ask the registry for the driver.').toEqual([])
  })

  it('of drivers to the network never: everything they reach is checked by outbound.ts', () => {
    const network = /^(node:)?(http|https|http2|tls|dns|dgram)(\/|$)|^undici/
    const isDriver = (file: string) => /^destinations\/[^/]+\//.test(file)
    const wrong = all.filter(
      ({ file, specifier, isType }) => isDriver(file) && !isType && network.test(specifier),
    )
    const calls = files.filter(isDriver).filter((file) => {
      return /(?<![.\w])(fetch\(|net\.(?!isIP))/.test(fs.readFileSync(path.join(SRC, file), 'utf8'))
    })
    expect([...wrong.map(at), ...calls], 'Use the outbound that the registry hands to drivers.').toEqual([])
  })

  it.each([
    ['sqlite', /^better-sqlite3$/],
    ['postgres', /^pg(-|$)/],
  ])('of storage/%s*.ts and its driver only inside storage', (dialect, driver) => {
    const wrong = all.filter(({ file, specifier, target }) => {
      const isDialect = driver.test(specifier) || target?.startsWith(`storage/${dialect}`)
      const isAllowed = new RegExp(`^storage/(${dialect}[\\w-]*|open|export-reader)\\.ts$`).test(file)
      return isDialect && !isAllowed
    })
    expect(wrong.map(at), 'Use the Database interface; add a capability if it lacks one.').toEqual([])
  })

  it('finds what it looks for', () => {
    expect(all.length).toBeGreaterThan(100)
    expect(all.some(({ target }) => target === 'engine/export-thread.ts')).toBe(true)
  })
})

describe('settings', () => {
  it('are read from the environment in config.ts alone', () => {
    const readers = files.filter((file) =>
      fs.readFileSync(path.join(SRC, file), 'utf8').includes('process.env'),
    )
    expect(readers, 'Add the setting to config.ts and pass it in.').toEqual(['config.ts'])
  })
})
