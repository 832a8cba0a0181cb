import { uuidv7 } from 'uuidv7'
import { ID_PREFIXES, type Noun } from '../domain/model.ts'

/** An opaque, prefixed, time-ordered id, e.g. `seg_0193…` (a UUIDv7 without hyphens). */
export function newId(noun: Noun): string {
  return `${ID_PREFIXES[noun]}_${uuidv7().replaceAll('-', '')}`
}
