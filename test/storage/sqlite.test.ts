import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import BetterSqlite from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { openSqlite } from '../../src/storage/sqlite.ts'
import { testDatabase } from '../support/database.ts'

const LOCKS = path.join(import.meta.dirname, '../../src/storage/sqlite-life.ts')

describe('opening', () => {
  it('a file that is no database says so, and leaves it as it is', async () => {
    const test = await testDatabase()
    const file = path.join(test.dir, 'notes.txt')
    fs.writeFileSync(file, 'not a database, but notes that somebody still needs '.repeat(50))
    expect(() => openSqlite(file)).toThrow(/is not a SQLite database/)
    expect(fs.readFileSync(file, 'utf8')).toMatch(/^not a database/)
    await test.dispose()
  })

  it('a database that was cut off says so', async () => {
    const test = await testDatabase()
    const file = path.join(test.dir, 'gateway.db')
    await test.database.close()
    fs.truncateSync(file, 20_000)
    expect(() => openSqlite(file)).toThrow(/is damaged\. Restore a backup/)
    fs.rmSync(test.dir, { recursive: true })
  })
})

describe('a new database', () => {
  it('is for its owner alone', async () => {
    const test = await testDatabase()
    expect(fs.statSync(path.join(test.dir, 'gateway.db')).mode & 0o777).toBe(0o600)
    await test.dispose()
  })
})

describe('backup', () => {
  it('is a whole copy, taken while writes go on', async () => {
    const test = await testDatabase()
    const target = path.join(test.dir, 'copy.db')
    const patches = Array.from({ length: 1000 }, (_, i) => ({ key: `k${i}`, patch: '{"a":1}' }))
    await test.database.upsertProfiles(1, patches)
    const [, again] = await Promise.all([
      test.database.backup(target),
      test.database.upsertProfiles(2, patches),
    ])
    expect(again.inserted).toBe(1000)
    const copy = new BetterSqlite(target, { readonly: true })
    expect(copy.pragma('integrity_check', { simple: true })).toBe('ok')
    expect(copy.prepare('select count(*) from profiles where namespace_id = 1').pluck().get()).toBe(1000)
    copy.close()
    await expect(test.database.backup(target)).rejects.toThrow('exists')
    await test.dispose()
  })
})

describe('a process', () => {
  it('is alive as long as it holds its lock', async () => {
    const test = await testDatabase()
    const other = openSqlite(path.join(test.dir, 'gateway.db'))
    expect(await other.life.deadAmong(['proc_1'])).toEqual(['proc_1'])
    await test.database.life.register('proc_1')
    expect(await other.life.deadAmong(['proc_1'])).toEqual([])
    await test.database.life.release('proc_1')
    expect(await other.life.deadAmong(['proc_1'])).toEqual(['proc_1'])
    await other.close()
    await test.dispose()
  })

  it('finds nothing left of those that died when it starts', async () => {
    const test = await testDatabase()
    const folder = path.join(test.dir, 'processes')
    fs.mkdirSync(folder)
    fs.writeFileSync(path.join(folder, 'proc_dead.lock'), '')
    await test.database.life.register('proc_1')
    expect(fs.readdirSync(folder).filter((name) => name.endsWith('.lock'))).toEqual(['proc_1.lock'])
    await test.dispose()
  })

  it('starts beside others that start and end, each of which looks what the dead left', async () => {
    const test = await testDatabase()
    const folder = path.join(test.dir, 'processes')
    const starts = `
      import { processLocks } from ${JSON.stringify(LOCKS)}
      const locks = processLocks(${JSON.stringify(folder)})
      for (let n = 0; n < 60; n += 1) {
        const id = process.pid + '_' + n
        await locks.register(id)
        if ((await processLocks(${JSON.stringify(folder)}).deadAmong([id])).length > 0) throw new Error('taken for dead')
        await locks.release(id)
      }`
    const processes = Array.from({ length: 4 }, () =>
      promisify(execFile)(process.execPath, ['--input-type=module', '--eval', starts]),
    )
    await Promise.all(processes)
    expect(fs.readdirSync(folder)).toEqual([])
    await test.dispose()
  })
})
