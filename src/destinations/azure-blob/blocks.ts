// Names of the blocks that a blob is put together from: the run, the claim's fence, a number. All ids of a blob must
// be equally long, those of other writers included: 48 bytes are what Microsoft's own libraries use.
import { createHash } from 'node:crypto'

const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0')
const digestOf = (runId: string) => createHash('sha256').update(runId).digest('hex').slice(0, 32)

export function blockId(runId: string, fence: number, index: number): string {
  return Buffer.from(`${digestOf(runId)}${hex(fence, 8)}${hex(index, 8)}`).toString('base64')
}

/** The fence of the claim that staged a block, or null for a block of another run, or of somebody else. */
export function fenceOf(id: string, runId: string): number | null {
  const text = Buffer.from(id, 'base64').toString('latin1')
  return text.length === 48 && text.startsWith(digestOf(runId))
    ? Number.parseInt(text.slice(32, 40), 16)
    : null
}

export function blockIds(runId: string, fence: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => blockId(runId, fence, index))
}

const MB = 1024 * 1024
const FIRST_BYTES = 4 * MB

/** A blob has at most 50,000 blocks: their size doubles every 10,000, which makes room for 1.2 TB. */
export const blockBytes = (index: number): number => FIRST_BYTES * 2 ** Math.floor(index / 10_000)

/** Blocks on their way at a time: what they take of the memory stays the same until a block alone takes more. */
export const blocksAtOnce = (bytes: number): number => Math.max(1, (4 * FIRST_BYTES) / bytes)
