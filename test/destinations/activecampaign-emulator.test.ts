// That the emulated ActiveCampaign is strict: whatever the driver did wrong would show.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type ActiveCampaign, activeCampaign } from '../support/activecampaign/server.ts'
import { virtualClock } from '../support/virtual-clock.ts'

let clock: ReturnType<typeof virtualClock>
let emulator: ActiveCampaign
beforeEach(async () => {
  clock = virtualClock()
  emulator = await activeCampaign({ now: clock.now })
})
afterEach(() => emulator.close())

const ask = (path: string, init: RequestInit = {}, key = emulator.apiKey) =>
  fetch(`http://${emulator.hostname}/api/3${path}`, {
    ...init,
    headers: { 'api-token': key, ...init.headers },
  })
/** A quarter of a second after the one before. */
async function post(contacts: object[], type = 'application/json') {
  clock.advance(250)
  const init = { method: 'POST', headers: { 'content-type': type }, body: JSON.stringify({ contacts }) }
  const response = await ask('/import/bulk_import', init)
  return { status: response.status, body: await response.json() }
}
const many = (count: number) => Array.from({ length: count }, (_, n) => ({ email: `p${n}@example.org` }))

it('takes five requests in any second, and says when there is room again', async () => {
  for (let n = 4; n >= 0; n -= 1) {
    const { status, headers } = await ask('/users/me')
    expect([status, headers.get('ratelimit-limit'), headers.get('ratelimit-remaining')]).toEqual([
      200,
      '5',
      `${n}`,
    ])
    clock.advance(100)
  }
  const refused = await ask('/users/me')
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1'])
  clock.advance(500)
  expect((await ask('/users/me')).status).toBe(200)
  expect((await ask('/users/me')).status).toBe(429)
})

it('takes a hundred imports in any minute, twenty of them of one contact, and tells it as a bad request', async () => {
  const refusal = (limit: number) => ({
    status: 400,
    body: {
      success: 0,
      message: 'Rate limit exceeded.',
      failureReasons: [expect.stringContaining(`Up to ${limit} imports may be requested per minute.`)],
    },
  })
  for (let n = 0; n < 20; n += 1) expect((await post(many(1))).status).toBe(200)
  expect(await post(many(1))).toEqual(refusal(20))
  for (let n = 20; n < 100; n += 1) expect((await post(many(2))).status).toBe(200)
  expect(await post(many(2))).toEqual(refusal(100))
})

it('refuses what is too much, of another kind, or without the key', async () => {
  expect((await post(many(250))).status).toBe(200)
  expect((await post(many(251))).status).toBe(400)
  expect((await post(many(2), 'text/plain')).status).toBe(400)
  const length = JSON.stringify({ contacts: [{ email: '' }] }).length
  expect((await post([{ email: 'x'.repeat(400_000 - length) }])).status).toBe(413)
  expect((await ask('/users/me', {}, 'another')).status).toBe(403)
})

it('refuses a whole batch for one bad contact, counted from 1', async () => {
  const bad = [...many(3), { email: 'a..b@example.org' }, { firstName: 'Anna' }]
  expect(await post(bad)).toMatchObject({
    status: 400,
    body: {
      success: 0,
      failureReasons: [
        { contact: 4, failureReason: "Field 'email' incorrect format" },
        { contact: 5, failureReason: "Field 'email' not found" },
      ],
    },
  })
})

it('ignores keys that it does not know, and takes its time', async () => {
  const { body } = await post([{ email: 'a@example.org', firstName: 'Anna', last_name: 'Bell' }])
  expect(body).toMatchObject({ Success: 1, queued_contacts: 1 })
  const statuses: unknown[] = []
  for (let n = 0; n < 8; n += 1) {
    clock.advance(250)
    statuses.push((await (await ask(`/import/info?batchId=${body.batchId}`)).json()).status)
  }
  expect(new Set(statuses)).toEqual(new Set([false, 'claimed', 'active', 'completed']))
  expect([...emulator.data.contacts.values()]).toMatchObject([{ first_name: '', last_name: 'Bell' }])
})
