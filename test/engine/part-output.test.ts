import { createHash, randomBytes } from 'node:crypto'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { FileFormat } from '../../src/domain/model.ts'
import { partOutput } from '../../src/engine/part-output.ts'
import { csvFormat } from '../support/export-scene.ts'
import { keyPair, openedWith } from '../support/pgp.ts'

/** What leaves when the pages are written, from memory that is used again at once. */
async function leaving(format: Partial<FileFormat>, pages: Uint8Array[]) {
  const left: Buffer[] = []
  const part = partOutput({ ...csvFormat, ...format }, async (bytes) => {
    await new Promise((resolve) => setImmediate(resolve))
    expect(bytes.length).toBeLessThanOrEqual(256 * 1024)
    left.push(Buffer.from(bytes))
  })
  for (const page of pages) {
    const scratch = Uint8Array.from(page)
    await part.write(scratch)
    scratch.fill(0)
  }
  const told = await part.end()
  const file = Buffer.concat(left)
  expect(told).toEqual({ bytes: file.length, sha256: createHash('sha256').update(file).digest('hex') })
  return file
}
const text = (length: number) =>
  Buffer.from('abcdefgh, 12345\r\n'.repeat(length / 17 + 1)).subarray(0, length)
const pages = [text(300_000), Buffer.alloc(0), randomBytes(70_000), text(1)]
const whole = Buffer.concat(pages)

describe('a part on its way out', () => {
  it.each([
    ['NONE', (file: Buffer) => file],
    ['GZIP', gunzipSync],
    ['ZSTD', zstdDecompressSync],
  ] as const)('is whole, and told with its size and hash: %s', async (compression, unpack) => {
    expect((await leaving({ compression }, pages)).equals(whole)).toBe(compression === 'NONE')
    expect(unpack(await leaving({ compression }, pages)).equals(whole)).toBe(true)
    expect(unpack(await leaving({ compression }, []))).toHaveLength(0)
  })

  it.each(['GZIP', 'ZSTD'] as const)(
    'has the same bytes however its pages were cut: %s',
    async (compression) => {
      const other = [whole.subarray(0, 5), whole.subarray(5, 200_000), whole.subarray(200_000)]
      expect((await leaving({ compression }, other)).equals(await leaving({ compression }, pages))).toBe(true)
    },
  )

  it('is compressed, then encrypted to the recipient', async () => {
    const { publicKey, privateKey } = await keyPair()
    const file = await leaving({ compression: 'ZSTD', publicKey }, pages)
    expect(zstdDecompressSync(await openedWith(privateKey, file)).equals(whole)).toBe(true)
    expect(await openedWith(privateKey, await leaving({ publicKey }, []))).toHaveLength(0)
    const other = await keyPair()
    await expect(openedWith(other.privateKey, file)).rejects.toThrow(/decrypt/i)
  })

  it('leaves the compression of Parquet to Parquet', async () => {
    expect((await leaving({ type: 'PARQUET', compression: 'GZIP' }, pages)).equals(whole)).toBe(true)
  })

  it.each([0, 20])('tells whoever ends it after %i pages that it could not be encrypted', async (count) => {
    const { publicKey } = await keyPair({ date: new Date('2020-01-01'), keyExpirationTime: 60 })
    const random = Array.from({ length: count }, () => randomBytes(300_000))
    await expect(leaving({ publicKey }, random)).rejects.toThrow(/expired/)
    await expect(leaving({ compression: 'GZIP', publicKey }, random)).rejects.toThrow(/expired/)
  })
})
