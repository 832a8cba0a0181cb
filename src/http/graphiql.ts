// The editor in the browser: one page with everything in it, so that nothing is loaded from elsewhere.
import { createHash } from 'node:crypto'
import { EXAMPLE_TABS } from './graphiql-examples.ts'

export interface EditorPage {
  html: string
  /** Content-Security-Policy that lets the page do what it must, and no other. */
  policy: string
}

const TOKEN_PLACE = '{\n  "Authorization": "Bearer "\n}'

/** The token that was typed into any tab is good for all of them, and is remembered by the browser. */
const REMEMBER_TOKEN = `{
  const send = window.fetch.bind(window)
  window.fetch = (address, init = {}) => {
    const headers = new Headers(init.headers)
    const typed = headers.get('authorization') ?? ''
    if (/^Bearer +\\S/i.test(typed)) localStorage.setItem('gateway:authorization', typed)
    else headers.set('authorization', localStorage.getItem('gateway:authorization') ?? '')
    if (!headers.get('authorization')) headers.delete('authorization')
    return send(address, { ...init, headers })
  }
}`

let page: Promise<EditorPage> | undefined

/** The page, made when it is asked for the first time: it has nine megabytes. */
export function editorPage(): Promise<EditorPage> {
  page ??= render()
  return page
}

async function render(): Promise<EditorPage> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql')
  const html = renderGraphiQL({
    title: 'Activation gateway',
    defaultHeaders: TOKEN_PLACE,
    defaultTabs: EXAMPLE_TABS.map((tab) => ({ ...tab, headers: TOKEN_PLACE })),
    shouldPersistHeaders: true,
    subscriptionsProtocol: 'SSE',
  }).replace('<div id="root"></div>', () => `<div id="root"></div><script>${REMEMBER_TOKEN}</script>`)
  const hashes = [...html.matchAll(/<script>(.*?)<\/script>/gs)].map(
    ([, script = '']) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`,
  )
  const policy = [
    "default-src 'none'",
    `script-src ${hashes.join(' ')}`,
    'worker-src blob:',
    // The editor writes styles of its own while it runs.
    "style-src 'unsafe-inline'",
    'img-src data:',
    'font-src data:',
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ]
  return { html, policy: policy.join('; ') }
}
