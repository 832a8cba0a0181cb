// `npm run schema`: prints the schema into schema.graphql at the top of the project.
import { writeFileSync } from 'node:fs'
import { printSchema } from 'graphql'
import { schema } from './schema.ts'

/** The schema as text, in the order of the code. */
export const sdl = `${printSchema(schema)}\n`

if (import.meta.main) writeFileSync(new URL('../../schema.graphql', import.meta.url), sdl)
