// `npm run migrations`: generates what changed in src/storage/tables.ts, for both dialects.
// drizzle-kit cannot say WITHOUT ROWID, which halves the size of the two large tables and the time to write them.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

const name = process.argv[2]
if (!name) {
  console.error('Say what changes: npm run migrations -- add_something')
  process.exit(2)
}
for (const dialect of ['sqlite', 'postgres']) {
  execFileSync('drizzle-kit', ['generate', '--config', `migrations/${dialect}.config.ts`, '--name', name], { stdio: 'inherit' })
}
const folder = path.join(import.meta.dirname, 'sqlite')
for (const file of fs.readdirSync(folder).filter((entry) => entry.endsWith('.sql'))) {
  const sql = fs.readFileSync(path.join(folder, file), 'utf8')
  fs.writeFileSync(path.join(folder, file), sql.replace(/(CREATE TABLE `(?:members|rejections)` \([^;]*\n\));/g, '$1 WITHOUT ROWID;'))
}
