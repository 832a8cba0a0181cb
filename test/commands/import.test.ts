import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { cliFolder } from '../support/cli.ts'

let cli: ReturnType<typeof cliFolder>
beforeEach(() => {
  cli = cliFolder()
})
afterEach(() => cli.dispose())

function write(name: string, text: string): string {
  const file = path.join(cli.dir, name)
  fs.writeFileSync(file, text)
  return file
}

test('rows that cannot be used are counted and written beside the file, the others are imported', async () => {
  const file = write('people.csv', 'id,name\n1,Ada\n,Nobody\n2,Grace\n3,Too,Many\n')
  const { code, stdout, stderr } = await cli.run(['import', file, '--key', 'id'])
  expect({ code, stdout }).toEqual({ code: 0, stdout: '2 inserted, 0 updated, 2 rejected\n' })
  expect(stderr).toContain(`${file}.rejected.ndjson`)
  const rejected = fs.readFileSync(`${file}.rejected.ndjson`, 'utf8').trim().split('\n')
  expect(rejected.map((line) => JSON.parse(line).line)).toEqual([3, 5])
})

test('a second import updates, and a clean one leaves no file of rejects', async () => {
  const file = write('people.ndjson', '{"id":1,"name":"Ada"}\n{"id":2,"name":"Grace"}\n')
  await cli.run(['import', file, '--key', 'id'])
  const again = await cli.run(['import', file, '--key', 'id', '--json'])
  expect(JSON.parse(again.stdout)).toMatchObject({ inserted: 0, updated: 2, rejected: 0, rejectedTo: null })
  expect(fs.existsSync(`${file}.rejected.ndjson`)).toBe(false)
})

test.each([
  ['CSV', 'id;name\n1;Ada\n'],
  ['NDJSON', '{"id":1,"name":"Ada"}\n'],
])('%s comes from stdin, and its first byte says what it is', async (_, input) => {
  const { code, stdout } = await cli.run(['import', '-', '--key', 'id'], {}, input)
  expect({ code, stdout }).toEqual({ code: 0, stdout: '1 inserted, 0 updated, 0 rejected\n' })
})

test.each([
  ['a file that is not there', () => 'nowhere.csv', 'There is no nowhere.csv'],
  ['a folder', () => cli.dir, 'is a folder'],
  ['a Parquet file', () => write('x.parquet', 'PAR1'), 'Convert it to CSV or NDJSON'],
  ['a compressed file', () => write('x.csv.gz', 'x'), 'gunzip -c'],
])('%s is refused in a sentence', async (_, file, message) => {
  const { code, stdout, stderr } = await cli.run(['import', file(), '--key', 'id'])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain(message)
})

test('a key that is no column is refused with the columns there are', async () => {
  const { code, stderr } = await cli.run([
    'import',
    write('people.csv', 'id,name\n1,Ada\n'),
    '--key',
    'email',
  ])
  expect(code).toBe(1)
  expect(stderr).toMatch(/email.*id.*name/s)
})

test('interrupted, it stops after a batch and says what was imported', async () => {
  const running = cli.start(['import', '-', '--key', 'id', '--format', 'ndjson', '--json'])
  const rows = Array.from({ length: 400_000 }, (_, id) => `{"id":${id}}\n`).join('')
  // More than a pipe holds: the callback means that most of it was read. The pipe stays open, as a terminal would.
  await new Promise((resolve) => running.child.stdin?.write(rows, resolve))
  running.child.kill('SIGINT')
  const { code, stdout, stderr } = await running.ended
  expect(code).toBe(1)
  expect(stderr).toContain('Stopped before the end')
  const { inserted, interrupted } = JSON.parse(stdout)
  expect(interrupted).toBe(true)
  expect(inserted).toBeGreaterThanOrEqual(2_000)
})

test('a file of rejects that cannot be written stops nothing: the rows are counted, and a line says so', async () => {
  const file = write('people.csv', 'id,name\n1,Ada\n,Nobody\n,Nobody\n2,Grace\n')
  fs.mkdirSync(`${file}.rejected.ndjson`)
  const { code, stdout, stderr } = await cli.run(['import', file, '--key', 'id'])
  expect({ code, stdout }).toEqual({ code: 0, stdout: '2 inserted, 0 updated, 2 rejected\n' })
  expect(stderr.match(/cannot be written/g)).toHaveLength(1)
})
