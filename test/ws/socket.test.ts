import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type TestGateway, testGateway } from '../support/api.ts'
import { attacks } from '../support/attacks.ts'
import { dial as dialTo, admitted as letIn } from '../support/ws-client.ts'

let gateway: TestGateway
let url: string
beforeEach(async () => {
  gateway = await testGateway()
  url = await gateway.serve()
})
afterEach(() => gateway.dispose())

const dial = (options: Parameters<typeof dialTo>[1] = {}) => dialTo(url, options)
const admitted = (token = gateway.admin, extra: object = {}) => letIn(url, token, extra)

describe('the handshake', () => {
  it('takes the token from connection_init or from the upgrade', async () => {
    const client = await admitted()
    client.subscribe('1', '{ viewer { name sandbox { name } } }')
    const { payload } = await client.hear(({ type }) => type === 'next')
    expect(payload.data.viewer).toEqual({ name: 'admin', sandbox: { name: 'prod' } })
    const other = dial({ headers: { authorization: `Bearer ${gateway.admin}` } })
    await other.opened()
    other.say({ type: 'connection_init' })
    await other.hear(({ type }) => type === 'connection_ack')
  })

  it('takes the sandbox from connection_init', async () => {
    const token = await gateway.token(['VIEWER'], { sandbox: 'dev' })
    const client = await admitted(token, { 'x-sandbox-name': 'dev' })
    client.subscribe('1', '{ viewer { sandbox { name } } }')
    expect((await client.hear(({ type }) => type === 'next')).payload.data.viewer.sandbox.name).toBe('dev')
  })

  it('closes with 4401 without any token, and 4403 for a bad one', async () => {
    const none = dial()
    await none.opened()
    none.say({ type: 'connection_init' })
    expect(await none.closed).toBe(4401)
    const bad = dial()
    await bad.opened()
    bad.say({ type: 'connection_init', payload: { authorization: 'Bearer nonsense' } })
    expect(await bad.closed).toBe(4403)
    const elsewhere = dial()
    await elsewhere.opened()
    const token = await gateway.token(['VIEWER'], { sandbox: 'dev' })
    elsewhere.say({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })
    expect(await elsewhere.closed).toBe(4403)
  })

  it('wants the sub-protocol, the path, and a known origin', async () => {
    expect(await dial({ protocol: 'graphql-ws' }).refused).toBe(400)
    expect(await dial({ path: '/other' }).refused).toBe(404)
    expect(await dial({ headers: { origin: 'https://evil.example' } }).refused).toBe(403)
    expect(await dial({ headers: { origin: 'null' } }).refused).toBe(403)
    const local = dial({ headers: { origin: 'http://localhost:3000' } })
    await local.opened()
  })

  it('keeps to the protocol: 4408, 4401, 4429, 4409, 4400, 1009', async () => {
    const silent = dial()
    const hasty = dial()
    const twice = dial()
    const odd = dial()
    const huge = dial()
    for (const client of [silent, hasty, twice, odd, huge]) await client.opened()
    hasty.subscribe('1', '{ __typename }')
    expect(await hasty.closed).toBe(4401)
    const init = { type: 'connection_init', payload: { authorization: `Bearer ${gateway.admin}` } }
    twice.say(init)
    twice.say(init)
    expect(await twice.closed).toBe(4429)
    odd.socket.send('{')
    expect(await odd.closed).toBe(4400)
    huge.socket.send('x'.repeat(10_000_000))
    expect(await huge.closed).toBe(1009)
    expect(await silent.closed).toBe(4408)
    expect(gateway.logged).toEqual([])
  })
})

describe('the guard, over WebSocket', () => {
  it('refuses what HTTP refuses, with the same codes', async () => {
    const client = await admitted()
    for (const [index, { name, query, variables, codes }] of attacks.entries()) {
      const id = String(index)
      client.subscribe(id, query, variables)
      const answer = await client.hear((message) => message.id === id && message.type !== 'complete')
      const errors = answer.type === 'error' ? answer.payload : answer.payload.errors
      expect(codes, name).toContain(errors[0].extensions.code)
      expect(JSON.stringify(errors)).not.toContain('"http"')
    }
  })

  it('masks what HTTP masks', async () => {
    gateway.parts.services.profile.attributes = () => Promise.reject(new Error('secret'))
    const client = await admitted()
    client.subscribe('1', '{ profileAttributes { path } }')
    const { payload } = await client.hear(({ type }) => type === 'next')
    expect(payload.errors[0].message).toBe('Unexpected error.')
    expect(JSON.stringify(client.told)).not.toContain('secret')
  })
})

describe('a client that misbehaves', () => {
  it('is closed with 4429 when it floods', async () => {
    const client = await admitted()
    for (let index = 0; index < 300; index += 1) client.say({ type: 'ping' })
    expect(await client.closed).toBe(4429)
  })

  it('does not keep the server from closing with 1001', async () => {
    const client = await admitted()
    const held = connect(Number(new URL(url).port), '127.0.0.1')
    await once(held, 'connect')
    held.on('error', () => {})
    await gateway.dispose()
    expect(await client.closed).toBe(1001)
    gateway = await testGateway()
    await after(0)
  })
})
