// What every driver that delivers files must do: its test calls this with a way to open deliveries and to look inside.
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { DeliveryError, FileDelivery } from '../../src/destinations/driver.ts'
import type { FinishedPart } from '../../src/domain/model.ts'

export interface FileDriverSetup {
  /** Opens the delivery of a run under a claim's fencing token. */
  open(options: { runId: string; fence: number }): Promise<FileDelivery>
  /** The visible files, by name. */
  visible(): Promise<Record<string, string>>
  /** Everything that is there, temporary things too. */
  everything(): Promise<string[]>
}

export function fileDriverContract(name: string, setup: () => FileDriverSetup): void {
  const part = async (
    delivery: FileDelivery,
    options: { name: string; fence: number; text: string },
  ): Promise<FinishedPart> => {
    const { name, fence, text } = options
    const writer = await delivery.openPart(name)
    const bytes = Buffer.from(text)
    for (const chunk of [bytes.subarray(0, 3), bytes.subarray(3)]) {
      const given = new Uint8Array(chunk)
      await writer.write(given)
      given.buffer.transfer() // its memory is used again: nothing of it may be looked at any more
    }
    const receipt = await writer.finish()
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const finished = { part: 1, fence, name, rows: 1, bytes: bytes.length, sha256 }
    return receipt ? { ...finished, receipt } : finished
  }
  const keep = { replace: false }

  describe(`${name} as a file driver`, () => {
    it('shows a part only when it is published, whole, and gives its location', async () => {
      const { open, visible } = setup()
      const delivery = await open({ runId: 'run_1', fence: 1 })
      const finished = await part(delivery, { name: 'a.csv', fence: 1, text: 'hello world' })
      expect(await visible()).toEqual({})
      expect(await delivery.exists('a.csv')).toBe(false)
      expect(await delivery.publish(finished, keep)).toContain('a.csv')
      expect(await visible()).toEqual({ 'a.csv': 'hello world' })
      expect(await delivery.exists('a.csv')).toBe(true)
    })

    it('may be asked to publish again, as after a crash', async () => {
      const { open, visible } = setup()
      const delivery = await open({ runId: 'run_1', fence: 1 })
      const finished = await part(delivery, { name: 'a.csv', fence: 1, text: 'hello world' })
      const location = await delivery.publish(finished, keep)
      const later = await open({ runId: 'run_1', fence: 2 })
      expect(await later.publish(finished, keep)).toBe(location)
      expect(await visible()).toEqual({ 'a.csv': 'hello world' })
    })

    it('never overwrites the file of somebody else, and says that the name is taken', async () => {
      const { open, visible } = setup()
      const theirs = await open({ runId: 'run_1', fence: 1 })
      await theirs.publish(await part(theirs, { name: 'a.csv', fence: 1, text: 'theirs' }), keep)
      const mine = await open({ runId: 'run_2', fence: 1 })
      const finished = await part(mine, { name: 'a.csv', fence: 1, text: 'mine' })
      const error = await mine.publish(finished, keep).catch((thrown: DeliveryError) => thrown)
      expect(error).toMatchObject({ name: 'DeliveryError', code: 'NAME_TAKEN' })
      expect(await visible()).toEqual({ 'a.csv': 'theirs' })
    })

    it('replaces a static name when told to', async () => {
      const { open, visible } = setup()
      for (const [runId, text] of [
        ['run_1', 'first'],
        ['run_2', 'second'],
      ] as const) {
        const delivery = await open({ runId, fence: 1 })
        await delivery.publish(await part(delivery, { name: 'a.csv', fence: 1, text }), { replace: true })
      }
      expect(await visible()).toEqual({ 'a.csv': 'second' })
    })

    it('knows whether a finished part is still there, whole', async () => {
      const { open } = setup()
      const delivery = await open({ runId: 'run_1', fence: 1 })
      const finished = await part(delivery, { name: 'a.csv', fence: 1, text: 'hello' })
      const later = await open({ runId: 'run_1', fence: 2 })
      expect(await later.hasPart(finished)).toBe(true)
      expect(await later.hasPart({ ...finished, bytes: 4 })).toBe(false)
      expect(await later.hasPart({ ...finished, name: 'b.csv' })).toBe(false)
    })

    it('delivers a part of no bytes: JSON lines of nobody', async () => {
      const { open, visible } = setup()
      const delivery = await open({ runId: 'run_1', fence: 1 })
      const writer = await delivery.openPart('a.json')
      const receipt = await writer.finish()
      const sha256 = createHash('sha256').digest('hex')
      const empty = {
        part: 1,
        fence: 1,
        name: 'a.json',
        rows: 0,
        bytes: 0,
        sha256,
        ...(receipt && { receipt }),
      }
      expect(await delivery.hasPart(empty)).toBe(true)
      await delivery.publish(empty, keep)
      expect(await visible()).toEqual({ 'a.json': '' })
    })

    it('keeps the parts of two claims of one run apart', async () => {
      const { open, visible } = setup()
      const frozen = await open({ runId: 'run_1', fence: 1 })
      const writer = await frozen.openPart('a.csv')
      await writer.write(Buffer.from('half of '))
      const taker = await open({ runId: 'run_1', fence: 2 })
      const finished = await part(taker, { name: 'a.csv', fence: 2, text: 'whole' })
      await writer.write(Buffer.from('something old'))
      await taker.publish(finished, keep)
      await writer.abort()
      expect(await visible()).toEqual({ 'a.csv': 'whole' })
    })

    it('discards what attempts left, but for the parts to keep, and nothing of other runs', async () => {
      const { open, visible, everything } = setup()
      const delivery = await open({ runId: 'run_1', fence: 1 })
      const kept = await part(delivery, { name: 'a.csv', fence: 1, text: 'kept' })
      await part(delivery, { name: 'a_2.csv', fence: 1, text: 'left over' })
      const other = await open({ runId: 'run_2', fence: 1 })
      const others = await part(other, { name: 'b.csv', fence: 1, text: 'others' })
      await delivery.discard('a.csv', [kept])
      expect([await delivery.hasPart(kept), await other.hasPart(others)]).toEqual([true, true])
      await delivery.discard('a.csv', [])
      await other.publish(others, keep)
      await other.discard('b.csv', [])
      expect(await visible()).toEqual({ 'b.csv': 'others' })
      expect(await everything()).toHaveLength(1)
    })

    it('leaves nothing of an aborted part', async () => {
      const { open, everything } = setup()
      const delivery = await open({ runId: 'run_1', fence: 1 })
      const writer = await delivery.openPart('a.csv')
      await writer.write(Buffer.from('half'))
      await writer.abort()
      expect(await everything()).toEqual([])
    })

    it('writes the manifest whole, and again over its own', async () => {
      const { open, visible, everything } = setup()
      const delivery = await open({ runId: 'run_1', fence: 1 })
      await delivery.putFile('a.csv.manifest.json', Buffer.from('{}'))
      await delivery.putFile('a.csv.manifest.json', Buffer.from('{"again":1}'))
      expect(await visible()).toEqual({ 'a.csv.manifest.json': '{"again":1}' })
      expect(await everything()).toHaveLength(1)
    })
  })
}
