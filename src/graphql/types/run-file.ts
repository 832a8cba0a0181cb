import { runFile } from '../refs.ts'

runFile.implement({
  description: 'A file that a run has delivered.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name, as the destination has it.' }),
    location: t.exposeString('location', {
      description: 'Where it is at the destination; for LOCAL_DIRECTORY the path below the export root.',
    }),
    rows: t.expose('rows', { type: 'BigInt', description: 'Profiles in it.' }),
    bytes: t.expose('bytes', { type: 'BigInt', description: 'Its size, as delivered.' }),
    sha256: t.exposeString('sha256', { description: 'SHA-256 of its bytes as delivered, in hex.' }),
  }),
})
