import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { sdl } from '../../src/graphql/print-schema.ts'

it('schema.graphql is what the code prints; run `npm run schema` after a change', () => {
  expect(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8')).toBe(sdl)
})
