import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { localDirectory } from '../../src/destinations/local-directory/driver.ts'
import { deliveryTarget } from '../support/delivery-target.ts'
import { fileDriverContract } from './file-driver-contract.ts'

let root: string
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-local-'))
})
afterEach(() => fs.rmSync(root, { recursive: true, force: true }))

const open = async (folder: string, { runId, fence }: { runId: string; fence: number }) => {
  const settings = localDirectory({ exportRoot: root }).settings.parse({ path: folder })
  const target = deliveryTarget({ runId, fence, settings })
  const delivery = await localDirectory({ exportRoot: root }).deliverFiles?.(target)
  if (!delivery) throw new Error('the local driver delivers files')
  return delivery
}
const entries = () => (fs.existsSync(path.join(root, 'out')) ? fs.readdirSync(path.join(root, 'out')) : [])

fileDriverContract('LOCAL_DIRECTORY', () => ({
  open: (options) => open('out', options),
  visible: async () =>
    Object.fromEntries(
      entries()
        .filter((name) => !name.startsWith('.'))
        .map((name) => [name, fs.readFileSync(path.join(root, 'out', name), 'utf8')]),
    ),
  everything: async () => entries(),
}))

describe('the path of a destination', () => {
  const { settings } = localDirectory({ exportRoot: '/nowhere' })
  it.each(['sales', 'sales/daily', 'sales/daily/', 'ünïcode/日本', '.', ''])('%j is taken', (folder) => {
    expect(settings.safeParse({ path: folder }).success).toBe(true)
  })
  it.each([
    '..',
    '../x',
    'a/../b',
    'a/./b',
    '/etc',
    'a//b',
    'a\\b',
    'C:/x',
    'a\0b',
    'a\nb',
    '\ud800',
    'x'.repeat(256),
  ])('%j is refused', (folder) => {
    expect(settings.safeParse({ path: folder }).success).toBe(false)
  })
  it('is the only setting', () => {
    expect(settings.safeParse({ path: 'a', mode: 7 }).success).toBe(false)
    expect(settings.safeParse({}).success).toBe(false)
  })
})

describe('a folder', () => {
  it('that a symbolic link leads out of the root is refused, at every step', async () => {
    const outside = fs.mkdtempSync(path.join(os.tmpdir(), 'gateway-outside-'))
    fs.symlinkSync(outside, path.join(root, 'link'))
    const claim = { runId: 'run_1', fence: 1 }
    await expect(open('link', claim)).rejects.toMatchObject({ code: 'BAD_SETTINGS' })
    await expect(open('link/deeper', claim)).rejects.toMatchObject({ code: 'BAD_SETTINGS' })
    const delivery = await open('out', claim)
    fs.symlinkSync(outside, path.join(root, 'out/sub'))
    await expect(delivery.openPart('sub/a.csv')).rejects.toMatchObject({ code: 'BAD_SETTINGS' })
    expect(fs.readdirSync(outside)).toEqual([])
    fs.rmSync(outside, { recursive: true })
  })

  it('that a link keeps inside the root is fine', async () => {
    fs.mkdirSync(path.join(root, 'real'))
    fs.symlinkSync(path.join(root, 'real'), path.join(root, 'alias'))
    const delivery = await open('alias', { runId: 'run_1', fence: 1 })
    const writer = await delivery.openPart('a.csv')
    await writer.finish()
    expect(fs.readdirSync(path.join(root, 'real'))).toHaveLength(1)
  })

  it('that is a file says so', async () => {
    fs.writeFileSync(path.join(root, 'file'), '')
    await expect(open('file/x', { runId: 'run_1', fence: 1 })).rejects.toMatchObject({ code: 'BAD_SETTINGS' })
  })
})
