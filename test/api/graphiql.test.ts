import { createHash } from 'node:crypto'
import { Script } from 'node:vm'
import { parse, validate } from 'graphql'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { schema } from '../../src/graphql/schema.ts'
import { EXAMPLE_TABS } from '../../src/http/graphiql-examples.ts'
import { type TestGateway, testGateway } from '../support/api.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await testGateway()
})
afterAll(() => gateway.dispose())

const ask = (to: TestGateway) =>
  to.fetch({ method: 'GET', headers: { accept: 'text/html', authorization: '', 'content-type': '' } })
const scriptsOf = (html: string) =>
  [...html.matchAll(/<script>(.*?)<\/script>/gs)].map(([, script = '']) => script)

it('the editor is one page that loads nothing from anywhere', async () => {
  const page = await ask(gateway)
  const html = await page.text()
  expect(page.status).toBe(200)
  expect(scriptsOf(html)).toHaveLength(2)
  const skeleton = html.replace(/<(script|style)>.*?<\/\1>/gs, '')
  expect(skeleton).toContain('<div id="root">')
  expect(skeleton).not.toMatch(/https?:|src=/)
  const styles = /<style>(.*?)<\/style>/s.exec(html)?.[1] ?? ''
  expect(styles.length).toBeGreaterThan(1_000)
  expect(styles).not.toMatch(/@import|url\(["']?(https?:)?\/\//)
})

it('its policy names its two scripts, lets it talk to its own gateway alone, and no page may frame it', async () => {
  const page = await ask(gateway)
  const policy = page.headers.get('content-security-policy') ?? ''
  const hashes = scriptsOf(await page.text()).map(
    (script) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`,
  )
  expect(policy.split('; ')).toEqual(
    expect.arrayContaining([
      "default-src 'none'",
      `script-src ${hashes.join(' ')}`,
      "connect-src 'self'",
      "frame-ancestors 'none'",
    ]),
  )
  expect(policy).not.toMatch(/https?:|\*|unsafe-eval/)
})

it('a token typed once is good for every tab, and is remembered', async () => {
  const [remember = ''] = scriptsOf(await (await ask(gateway)).text())
  const stored = new Map<string, string>()
  const sent: (string | null)[] = []
  const window = {
    fetch: (_: string, init: RequestInit) => {
      sent.push(new Headers(init.headers).get('authorization'))
    },
  }
  const localStorage = {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => stored.set(key, value),
  }
  new Script(remember).runInNewContext({ window, localStorage, Headers })
  window.fetch('/graphql', { headers: { Authorization: 'Bearer ' } })
  window.fetch('/graphql', { headers: { Authorization: 'Bearer abc' } })
  window.fetch('/graphql', { headers: { Authorization: 'Bearer ' } })
  expect(sent).toEqual([null, 'Bearer abc', 'Bearer abc'])
})

it('it opens with a tab for each kind of user, which the schema knows', () => {
  expect(EXAMPLE_TABS).toHaveLength(3)
  for (const { query, variables } of EXAMPLE_TABS) {
    expect(validate(schema, parse(query))).toEqual([])
    expect(JSON.parse(variables)).toBeTypeOf('object')
  }
})

it('case 17: it is refused where it is switched off, and the next query answers', async () => {
  const closed = await testGateway({ config: { graphiql: false } })
  try {
    for (const headers of [{}, { 'graphql-require-preflight': '1' }]) {
      const page = await closed.fetch({ method: 'GET', headers: { accept: 'text/html', ...headers } })
      expect([403, 406]).toContain(page.status)
      expect(await page.text()).not.toContain('<html')
    }
    expect((await closed.data('{ viewer { name } }')).viewer.name).toBe('admin')
  } finally {
    await closed.dispose()
  }
})
