// NDJSON into profiles: an object a line, values as JSON has them.
import { attributesProblem, keyProblem, profileKey, valueAt } from '../domain/profile.ts'
import { kindOfJson } from '../domain/value-type.ts'
import type { ProfilePatch } from '../storage/capabilities.ts'
import type { PatchBlock } from './import-csv.ts'
import { rawText, recordBlocks } from './import-records.ts'

const MAX_PATHS = 10_000

/** `kinds` collects the kinds of values per path; at most 10,000 paths. */
export async function* ndjsonPatches(
  chunks: AsyncIterable<Buffer>,
  key: string,
  kinds: Map<string, number>,
): AsyncGenerator<PatchBlock> {
  for await (const block of recordBlocks(chunks, { ending: '\n', delimiter: null })) {
    const patches: ProfilePatch[] = []
    const { rejected } = block
    for (const [index, start] of block.starts.entries()) {
      const end = block.ends[index] ?? start
      const text = block.bytes.toString('utf8', start, end)
      if (text.trim() === '') continue
      const result = toPatch(text, key, kinds)
      if (typeof result !== 'string') patches.push(result)
      else {
        rejected.push({
          line: block.lines[index] ?? 0,
          reason: result,
          raw: rawText(block.bytes, start, end),
        })
      }
    }
    yield { patches, rejected }
  }
}

/** The patch, or the reason why there is none. */
function toPatch(text: string, keyPath: string, kinds: Map<string, number>): ProfilePatch | string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return `The line is not JSON: ${error instanceof Error ? error.message : error}.`
  }
  const problem = attributesProblem(value)
  if (problem !== null) return `The line cannot be kept: ${problem}.`
  const key = profileKey(valueAt(value, keyPath))
  if (key === null) return `The line has no key: ${JSON.stringify(keyPath)} must be a text or a number.`
  const wrong = keyProblem(key)
  if (wrong !== null) return `The line cannot be kept: ${wrong}.`
  collectKinds(value, '', kinds)
  return { key, patch: JSON.stringify(value) }
}

function collectKinds(value: unknown, path: string, kinds: Map<string, number>): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [name, member] of Object.entries(value)) {
      collectKinds(member, path === '' ? name : `${path}.${name}`, kinds)
    }
    return
  }
  const known = kinds.get(path)
  if (known === undefined && kinds.size >= MAX_PATHS) return
  kinds.set(path, (known ?? 0) | kindOfJson(value))
}
