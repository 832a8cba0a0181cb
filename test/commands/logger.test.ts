import { describe, expect, it, test } from 'vitest'
import { Unavailable } from '../../src/domain/errors.ts'
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

describe('an outage', () => {
  const outage = () => new Error('the query failed', { cause: new Unavailable('The database is away.') })
  function logAt() {
    const lines: Record<string, unknown>[] = []
    const time = { now: 0 }
    const sink = { write: (line: string) => void lines.push(JSON.parse(line)) }
    return { lines, time, log: createLogger({ logLevel: 'info' }, sink, () => time.now) }
  }

  it('is told of once in half a minute by each who says nothing else', () => {
    const { lines, time, log } = logAt()
    for (let n = 0; n < 100; n += 1) {
      log.error({ error: outage() }, 'the queue could not be read')
      log.warn({ error: outage() }, 'streams could not be checked')
    }
    expect(lines).toMatchObject([
      { msg: 'the queue could not be read' },
      { msg: 'streams could not be checked' },
    ])
    expect(lines[0]).not.toHaveProperty('repeated')
    time.now = 29_999
    log.error({ error: outage() }, 'the queue could not be read')
    expect(lines).toHaveLength(2)
    time.now = 30_000
    log.error({ error: outage() }, 'the queue could not be read')
    expect(lines[2]).toMatchObject({ msg: 'the queue could not be read', repeated: 100 })
    expect(lines[2]).toHaveProperty('error.stack')
  })

  it('of one thing, and any other error, is told of each time', () => {
    const { lines, log } = logAt()
    for (let n = 0; n < 3; n += 1) {
      log.error({ error: outage(), runId: 'run_1' }, 'the run failed')
      log.error({ error: new Error('a defect') }, 'the queue could not be read')
      log.error({ error: new Unavailable(`${n} is away.`) }, 'the queue could not be read')
    }
    expect(lines).toHaveLength(9)
  })
})
