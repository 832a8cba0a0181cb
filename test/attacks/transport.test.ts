import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { expectDiscreet, expectRefusal, underAttack } from '../support/under-attack.ts'
import { ways } from '../support/ways.ts'

const at = underAttack()
const query = '{"query":"{ __typename }"}'
/** A POST as bytes; the length of the body is told unless `more` says how it comes. */
const post = (path: string, body: string, more = `Content-Length: ${body.length}\r\n`) =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${at.gateway.admin}\r\nContent-Type: application/json\r\n${more}\r\n${body}`
const megabytes = (count: number) => Buffer.alloc(count * 1024 * 1024, ' ')

describe.each(ways)('a body, $name', ({ path }) => {
  it.each([
    ['nothing', ''],
    ['half an object', '{'],
    ['an array', '[]'],
    ['a number', '1'],
    ['null', 'null'],
    ['a string', '"query"'],
    ['no query', '{}'],
    ['a query that is null', '{"query":null}'],
    ['a query that is a number', '{"query":1}'],
    ['a query that is an object', '{"query":{}}'],
    ['variables that are an array', '{"query":"{__typename}","variables":[]}'],
    ['variables that are a string', '{"query":"{__typename}","variables":"{}"}'],
    ['a name that is a number', '{"query":"{__typename}","operationName":1}'],
    ['extensions that are an array', '{"query":"{__typename}","extensions":[]}'],
    ['a member that is not known', '{"query":"{__typename}","secret":1}'],
    ['two values', `${query}${query}`],
  ])('case 1: of %s is 400', async (_, body) => {
    expectRefusal(await at.send(path, { body }), { status: 400, codes: ['BAD_REQUEST'] })
  })

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/graphql',
    'application/graphql+json',
    'application/json; charset=utf-16',
    'application/json; charset=utf-8; charset=utf-7',
    'application/jsonp',
    'text/plain, application/json',
  ])('case 2: of %s is 415', async (type) => {
    const reply = await at.send(path, { body: query, headers: { 'content-type': type } })
    expectRefusal(reply, { status: 415, codes: ['UNSUPPORTED_MEDIA_TYPE'] })
  })

  it('case 2: of no type is 415', async () => {
    const body = new Blob([query])
    expectRefusal(await at.send(path, { body, headers: { 'content-type': '' } }), { status: 415 })
  })

  it('case 3: of 10 MB is not read, announced or not, and memory stays', async () => {
    const body = megabytes(10)
    const head = (more: string) => Buffer.from(post(path, '', more))
    const announced = Buffer.concat([head(`Content-Length: ${body.length}\r\n`), body])
    const size = body.length.toString(16)
    const chunked = Buffer.concat([head('Transfer-Encoding: chunked\r\n'), Buffer.from(`${size}\r\n`), body])
    const before = process.memoryUsage.rss()
    for (let round = 0; round < 15; round += 1) {
      for (const text of [announced, chunked]) {
        const { heard } = await at.say(text)
        // Closed while the rest was still coming, the answer may have been lost on the way.
        if (heard) expect(heard).toMatch(/^HTTP\/1\.1 413 /)
      }
    }
    expect(process.memoryUsage.rss() - before).toBeLessThan(100 * 1024 * 1024)
  })

  it('case 3: of a byte more than 256 KB is 413, one of 256 KB is read', async () => {
    const sized = (bytes: number) => `${query}${' '.repeat(bytes - query.length)}`
    expect((await at.send(path, { body: sized(256 * 1024) })).status).toBe(200)
    expectRefusal(await at.send(path, { body: sized(256 * 1024 + 1) }), { status: 413 })
  })

  it.each(['gzip', 'deflate', 'br', 'zstd', 'identity, gzip', 'GZIP'])(
    'case 4: that is compressed (%s) is 415, and never inflated',
    async (encoding) => {
      const body = gzipSync(megabytes(20))
      const reply = await at.send(path, { body, headers: { 'content-encoding': encoding } })
      expectRefusal(reply, { status: 415, codes: ['UNSUPPORTED_MEDIA_TYPE'] })
    },
  )

  it('case 5: of JSON 50,000 levels deep is refused', async () => {
    expectRefusal(await at.send(path, { body: '['.repeat(50_000) }), { status: 400 })
    expectRefusal(await at.send(path, { body: `${'['.repeat(50_000)}${']'.repeat(50_000)}` }), {
      status: 400,
    })
    const nested = `${'{"not":'.repeat(25_000)}{}${'}'.repeat(25_000)}`
    const body = `{"query":"query ($r: SegmentRuleInput!) { previewSegment(rule: $r) { profileCount } }","variables":{"r":${nested}}}`
    expectRefusal(await at.send(path, { body }), { codes: ['BAD_USER_INPUT'] })
  })

  it.each([
    ['bytes that are no UTF-8', Buffer.from('{"query":"{ __typename #\xff\xfe }"}', 'latin1')],
    ['half a character', Buffer.from([...Buffer.from('{"query":"{ __typename }","operationName":"'), 0xc3])],
    ['an overlong form', Buffer.from('{"query":"{ __typename #\xc0\xaf\\n }"}', 'latin1')],
    ['a surrogate in UTF-8', Buffer.from('{"query":"{ __typename #\xed\xa0\x80\\n }"}', 'latin1')],
    ['UTF-16', Buffer.from(query, 'utf16le')],
    ['UTF-16 with a byte order mark', Buffer.from(`\ufeff${query}`, 'utf16le')],
    ['UTF-8 with a byte order mark', Buffer.from(`\ufeff${query}`)],
  ])('case 6: of %s is 400', async (_, body) => {
    expectRefusal(await at.send(path, { body }), { status: 400, codes: ['BAD_REQUEST'] })
  })
})

describe('a GET', () => {
  const preflight = {
    'graphql-require-preflight': '1',
    'content-type': '',
    accept: 'application/graphql-response+json',
  }
  const get = (parameters: string, headers: Record<string, string> = preflight) =>
    at.send(`/graphql?${parameters}`, { method: 'GET', headers })
  const write = 'mutation W { evaluateSegments { job { id } } }'

  it('case 7: of a mutation is 405, also when its name hides it, and with whatever the client accepts', async () => {
    const texts = [write, `query R { __typename } ${write}`]
    for (const text of texts) {
      for (const accept of ['application/json', 'text/event-stream']) {
        const parameters = `operationName=W&query=${encodeURIComponent(text)}`
        const reply = await get(parameters, { ...preflight, accept })
        expect(reply.status).toBe(405)
        expect(reply.headers.get('allow')).toBe('POST')
      }
    }
    const { segmentationJob } = await at.gateway.data('{ segmentationJob(id: "job_x") { id } }')
    expect(segmentationJob).toBeNull()
  })

  it('case 8: without a header that no foreign page can send is 403', async () => {
    const parameters = `query=${encodeURIComponent('{ viewer { name } }')}`
    expectRefusal(await get(parameters, { 'content-type': '' }), {
      status: 403,
      codes: ['PREFLIGHT_REQUIRED'],
    })
    expect((await get(parameters)).status).toBe(200)
  })

  it.each([
    'variables=%7B',
    'variables=x',
    'extensions=%7B%7D%7D',
    'variables=%E0%A4%A',
    'query=%E0%A4%A',
    'query=%',
    '%',
  ])('case 16: with %s is 400', async (text) => {
    const parameters = text.startsWith('query')
      ? text
      : `query=${encodeURIComponent('{ viewer { name } }')}&${text}`
    const reply = await get(parameters)
    if (text === '%') expect(reply.status).toBe(200)
    else expectRefusal(reply, { status: 400 })
  })
})

it.each(['PUT', 'DELETE', 'PATCH', 'OPTIONS'])('case 9: %s is 405', async (method) => {
  const reply = await at.send('/graphql', { method, body: query })
  expectRefusal(reply, { status: 405, codes: ['BAD_REQUEST'] })
  expect(reply.headers.get('allow')).toBe('GET, POST')
})

it.each(['HEAD', 'TRACE', 'CONNECT', 'PROPFIND', 'BREW', 'post'])('case 9: %s is refused', async (method) => {
  const { heard } = await at.say(`${method} /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
  expect(heard === '' || /^HTTP\/1\.1 (405|400) /.test(heard), heard).toBe(true)
  expectDiscreet(heard)
})

describe('headers', () => {
  const head = (count: number, size: number) =>
    Array.from({ length: count }, (_, index) => `x-${index}: ${'y'.repeat(size)}\r\n`).join('')

  it.each([
    ['one of 64 KB', 1, 64 * 1024],
    ['5,000', 5_000, 1],
    ['101, all short', 101, 1],
  ])('case 10: %s are 431', async (_, count, size) => {
    const { heard } = await at.say(
      `GET /healthz HTTP/1.1\r\nHost: x\r\n${head(count, size)}Connection: close\r\n\r\n`,
    )
    expect(heard).toMatch(/^HTTP\/1\.1 431 /)
    expectDiscreet(heard)
  })

  it('case 10: a hundred are taken', async () => {
    const { heard } = await at.say(
      `GET /healthz HTTP/1.1\r\nHost: x\r\n${head(98, 100)}Connection: close\r\n\r\n`,
    )
    expect(heard).toMatch(/^HTTP\/1\.1 200 /)
  })

  const smuggled = [
    'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n',
    'Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n',
    'Content-Length: 4\r\nContent-Length: 5\r\n\r\n{  }GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n',
    'Content-Length: 4, 5\r\n\r\n{  }',
    'Content-Length: -1\r\n\r\n',
    'Content-Length: +4\r\n\r\n{  }',
    'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
    'Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n',
    'Content-Length : 4\r\n\r\n{  }',
    'X: a\r\n Content-Length: 4\r\n\r\n{  }',
  ]
  it.each(smuggled)('case 11: %j is 400, and what follows is no request', async (rest) => {
    const { heard } = await at.say(post('/graphql', '', '').replace(/\r\n$/, rest))
    expect(heard.startsWith('HTTP/1.1 400 '), heard).toBe(true)
    expect(heard).not.toContain('alive')
    expectDiscreet(heard)
  })

  it('case 14: of a hostile origin get no CORS header, and nobody else does', async () => {
    for (const origin of ['https://evil.example', 'null', at.url]) {
      for (const method of ['POST', 'OPTIONS', 'GET']) {
        const body = method === 'GET' ? {} : { body: query }
        const reply = await at.send('/graphql', { method, ...body, headers: { origin } })
        for (const name of reply.headers.keys()) expect(name).not.toMatch(/^access-control/)
      }
    }
  })

  it('every answer is marked as private and not to be framed', async () => {
    for (const path of ['/graphql', '/graphql?unusual', '/nothing', '/healthz']) {
      const reply = await at.send(path, { body: query })
      expect(Object.fromEntries(reply.headers)).toMatchObject({
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        'content-security-policy': expect.stringContaining("frame-ancestors 'none'"),
      })
      expect(reply.headers.get('x-powered-by') ?? reply.headers.get('server')).toBeNull()
    }
  })
})

describe('connections', () => {
  const begun: [string, () => string, number][] = [
    ['headers', () => 'GET /healthz HTTP/1.1\r\nHost: x\r\nX: ', 8],
    ['a body', () => post('/graphql', '{', 'Content-Length: 100\r\n'), 12],
    ["a body in yoga's way", () => post('/graphql?unusual', '{', 'Content-Length: 100\r\n'), 12],
  ]
  it.each(begun)(
    'case 12: with %s that comes a byte at a time are closed, and others are served meanwhile',
    async (_, start, seconds) => {
      const began = performance.now()
      const sockets = await Promise.all(Array.from({ length: 20 }, () => at.dial()))
      const closed = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)))
      for (const socket of sockets) socket.resume().write(start())
      const drip = setInterval(() => {
        for (const socket of sockets) socket.write('x')
      }, 500)
      for (let second = 0; second < 3; second += 1) {
        expect((await at.send('/graphql', { body: query })).status).toBe(200)
        await delay(500)
      }
      await Promise.all(closed)
      clearInterval(drip)
      expect((performance.now() - began) / 1000).toBeLessThan(seconds)
    },
  )

  it('case 13: 400 that say nothing and 300 that are cut take nothing from others', async () => {
    const idle = await Promise.all(Array.from({ length: 400 }, () => at.dial()))
    const request = post('/graphql', query)
    await Promise.all(
      Array.from({ length: 300 }, async (_, index) => {
        const socket = await at.dial()
        socket.write(index % 2 ? request : request.slice(0, -10))
        await delay(index % 10)
        socket.resetAndDestroy()
      }),
    )
    expect((await at.send('/graphql', { body: query })).status).toBe(200)
    for (const socket of idle) socket.destroy()
  })

  it.each(ways)('case 13: 200 requests at once on one are answered in order, $name', async ({ path }) => {
    const all = Array.from({ length: 200 }, (_, index) => {
      const body = `{"query":"{ q${index}: __typename }"}`
      const close = index === 199 ? 'Connection: close\r\n' : ''
      return post(path, body, `${close}Content-Length: ${body.length}\r\n`)
    })
    const { heard } = await at.say(all.join(''))
    const answered = [...heard.matchAll(/\{"data":\{"(q\d+)":"Query"\}/g)].map(([, name]) => name)
    expect(answered).toEqual(all.map((_, index) => `q${index}`))
  })

  it('are closed after a thousand requests, so that a balancer can move them', async () => {
    const socket = await at.dial()
    let heard = ''
    socket.on('data', (data) => {
      heard += data
    })
    const closed = once(socket, 'close')
    for (let sent = 0; sent < 1_000; sent += 50) {
      socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(50))
      await expect
        .poll(() => (heard as string).split('HTTP/1.1 200').length - 1, { timeout: 5_000 })
        .toBe(sent + 50)
    }
    expect(heard.match(/^connection: close\r$/gim)).toHaveLength(1)
    await closed
  })
})

it.each([
  '/',
  '/metricz',
  '/graphql/x',
  '/graphql/',
  '/../etc/passwd',
  '/%2e%2e/x',
  '/%zz',
  '//graphql',
  '/graphql%00',
  '/GRAPHQL',
  '/import/..',
])('case 15: %s is nothing, and 401 to whoever has no token', async (path) => {
  const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${query.length}\r\n`
  const somebody = await at.say(`${head}Authorization: Bearer ${at.gateway.admin}\r\n\r\n${query}`)
  expect(somebody.heard).toMatch(/^HTTP\/1\.1 404 /)
  expect(somebody.heard).toContain('"code":"NOT_FOUND"')
  const nobody = await at.say(`${head}\r\n${query}`)
  expect(nobody.heard).toMatch(/^HTTP\/1\.1 401 /)
  expectDiscreet(somebody.heard)
})
