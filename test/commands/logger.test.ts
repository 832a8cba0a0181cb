import { expect, test } from 'vitest'
import { createLogger } from '../../src/logger.ts'

function logged(fields: object, message: string): string {
  const lines: string[] = []
  createLogger({ logLevel: 'info' }, { write: (line) => lines.push(line) }).info(fields, message)
  return lines.join('')
}

test('secrets never reach the log, however deep they are', () => {
  const line = logged(
    {
      authorization: 'Bearer canary',
      request: { headers: { authorization: 'Bearer canary' } },
      settings: { secrets: { key: 'canary' } },
      account: { settings: { login: { password: 'canary' } } },
    },
    'a request',
  )
  expect(line).not.toContain('canary')
  expect(line).toContain('[redacted]')
})

test('a line break in a value cannot forge a line', () => {
  const line = logged({ name: 'a\r\n{"level":"error"}' }, 'b\nc')
  expect(line.trimEnd()).not.toMatch(/[\r\n]/)
  expect(JSON.parse(line)).toMatchObject({ level: 'info', msg: 'b\nc' })
})
