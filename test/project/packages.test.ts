import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = path.join(import.meta.dirname, '../..')
const lock = JSON.parse(fs.readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8'))
const manifest = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'))

describe('packages', () => {
  it('hold one copy of graphql: two would mask errors wrongly', () => {
    const copies = Object.keys(lock.packages).filter((name) => name.endsWith('node_modules/graphql'))
    expect(copies).toEqual(['node_modules/graphql'])
  })

  it('are pinned to exact, released versions', () => {
    const pins = { ...manifest.dependencies, ...manifest.devDependencies } as Record<string, string>
    const loose = Object.entries(pins).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
    expect(loose).toEqual([])
  })

  it('name no registry in the lock file', () => {
    expect(
      Object.values(lock.packages as Record<string, { resolved?: string }>).filter((entry) => entry.resolved),
    ).toEqual([])
  })

  it('are not compiled by npm 10, which builds whatever has a binding.gyp unless the lock file says not to', () => {
    const remedy = 'npm install drops it: put "gypfile": false back under node_modules/better-sqlite3'
    expect(lock.packages['node_modules/better-sqlite3'].gypfile, remedy).toBe(false)
  })
})
