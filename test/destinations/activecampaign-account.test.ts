// How an ActiveCampaign account is written down, and what a login tells.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { activeCampaign } from '../../src/destinations/activecampaign/driver.ts'
import { createOutbound } from '../../src/destinations/outbound.ts'
import { type ActiveCampaign, activeCampaign as emulate } from '../support/activecampaign/server.ts'
import { toLoopback } from '../support/outbound.ts'

const driver = activeCampaign({ outbound: toLoopback })
const { account } = driver
if (!account) throw new Error('it has accounts')

let emulator: ActiveCampaign
beforeEach(async () => {
  emulator = await emulate()
})
afterEach(() => emulator.close())

const verify = (apiKey = emulator.apiKey, signal = AbortSignal.timeout(8_000)) =>
  account.verify({ settings: { hostname: emulator.hostname }, secrets: { apiKey }, details: null }, signal)

describe('the hostname', () => {
  const accountOf = (allow: string[]) => activeCampaign({ outbound: createOutbound({ allow }) }).account
  const parse = (hostname: unknown, allow: string[] = []) =>
    accountOf(allow)?.settings.safeParse({ hostname })

  it.each(['myaccount.api-us1.com', 'my-account7.activehosted.com', 'a.b.api-eu2.com'])(
    '%s is taken',
    (host) => {
      expect(parse(host)).toMatchObject({ success: true, data: { hostname: host } })
    },
  )
  it('is trimmed, and in lower case', () => {
    expect(parse(' MyAccount.API-US1.com ')?.data).toEqual({ hostname: 'myaccount.api-us1.com' })
  })
  it('may be one that whoever runs the gateway allowed', () => {
    expect(parse('127.0.0.1:8080', ['http://127.0.0.1:8080'])?.success).toBe(true)
    expect(parse('proxy.example:8443', ['proxy.example:8443'])?.success).toBe(true)
    expect(parse('127.0.0.1:8080', ['http://127.0.0.1:8081', '127.0.0.1'])?.success).toBe(true)
    expect(parse('127.0.0.1', ['127.0.0.1'])?.success).toBe(false)
  })
  it.each([
    'https://myaccount.api-us1.com',
    'http://127.0.0.1:8080',
    'myaccount.api-us1.com/api/3',
    'myaccount.api-us1.com:8443',
    'user@myaccount.api-us1.com',
    'myaccount.api-us1.com@evil.example',
    'myaccount.api-us1.com#.evil.example',
    'myaccount.api-us1.com?',
    'evil.example',
    'api-us1.com',
    'myaccountapi-us1.com',
    'myaccount.api-us1.com.evil.example',
    '.api-us1.com',
    '-a.api-us1.com',
    '127.0.0.1',
    '127.0.0.1:80:80',
    '127.1:8080',
    'localhost',
    '169.254.169.254',
    '[::1]',
    'my account.api-us1.com',
    'myaccount.api-us1.com\r\nx: y',
    'ｍyaccount.api-us1.com',
    '',
    7,
  ])('%j is refused', (host) => {
    expect(parse(host, ['proxy.example'])?.success).toBe(false)
  })
  it('is checked again when it is used', async () => {
    const stored = { settings: { hostname: 'evil.example' }, secrets: { apiKey: 'k' }, details: null }
    await expect(accountOf([])?.verify(stored, AbortSignal.timeout(1_000))).rejects.toMatchObject({
      code: 'BAD_SETTINGS',
    })
  })
})

describe('the settings of a destination', () => {
  const parse = (settings: object) => driver.settings.safeParse(settings)

  it('are a list, and what else is done with contacts', () => {
    const whole = { listId: '7', tags: ['Gateway'], excludeAutomations: true }
    expect(parse(whole).data).toEqual(whole)
    expect(parse({ listId: '7' }).data).toEqual({ listId: '7', tags: [], excludeAutomations: false })
  })
  it.each([
    {},
    { listId: 7 },
    { listId: '0' },
    { listId: '7;8' },
    { listId: '7', tags: [''] },
    { listId: '7', mode: 1 },
  ])('%j is refused', (settings) => {
    expect(parse(settings).success).toBe(false)
  })
})

describe('a login', () => {
  it('tells whose key it is, and what people choose from', async () => {
    expect(await verify()).toEqual({
      user: 'admin',
      lists: [
        { id: '1', name: 'Newsletter' },
        { id: '2', name: 'Win-back' },
      ],
      fields: [{ id: '7', title: 'Total spent', type: 'text' }],
      isCut: false,
    })
  })

  it('reads every page, no faster than the account allows', async () => {
    emulator.data.lists = Array.from({ length: 450 }, (_, n) => ({ id: `${n + 1}`, name: `List ${n + 1}` }))
    const details = await verify()
    expect(details.lists).toEqual(emulator.data.lists)
    expect([...emulator.counts.keys()].filter((name) => !name.endsWith(' 200'))).toEqual([])
  })

  it('says when there is more than it reads', async () => {
    emulator.data.lists = Array.from({ length: 1_001 }, (_, n) => ({ id: `${n + 1}`, name: `List ${n + 1}` }))
    const details = await verify()
    expect(details).toMatchObject({ isCut: true, lists: { length: 1_000 } })
  })

  it.each([401, 403])('that is answered %i is refused, and repeats no key', async (status) => {
    const body = {
      errors: [{ title: 'Forbidden', detail: `You do not have permission,\r\n${'x'.repeat(2_000)}` }],
    }
    emulator.failNext(/users/, { status, body })
    const error = await verify().catch((thrown: Error) => thrown)
    expect(error).toMatchObject({ code: 'REFUSED_LOGIN', retryable: false })
    expect(`${(error as Error).message}`).toMatch(
      /^ActiveCampaign answered 40\d: Forbidden: You do not have permission, x+$/,
    )
    expect(`${(error as Error).message}`.length).toBeLessThan(600)
  })

  it('with a wrong key is refused in the words of the destination', async () => {
    await expect(verify('wrong')).rejects.toMatchObject({
      code: 'REFUSED_LOGIN',
      message: expect.stringContaining('Invalid API token'),
    })
  })

  it('at a host that is no ActiveCampaign is refused', async () => {
    emulator.failNext(/users/, { status: 200, body: '<html>Welcome</html>' })
    await expect(verify()).rejects.toMatchObject({ code: 'BAD_SETTINGS' })
  })

  it('ends when it takes too long', async () => {
    emulator.isSilent = true
    await expect(verify(emulator.apiKey, AbortSignal.timeout(400))).rejects.toMatchObject({
      name: 'TimeoutError',
    })
  })
})

describe('what a login told', () => {
  const known = (details: object) => ({
    settings: {},
    details: { user: 'u', lists: [], fields: [], isCut: false, ...details },
  })

  it('decides which lists may be chosen', () => {
    const lists = known({ lists: [{ id: '7', name: 'Newsletter' }] })
    expect(driver.refusalOf?.({ listId: '7' }, lists)).toBeNull()
    expect(driver.refusalOf?.({ listId: '8' }, lists)).toBe(
      'The account has no list 8. Its lists: 7 (Newsletter).',
    )
    expect(driver.refusalOf?.({ listId: '8' }, known({}))).toContain('none')
    // Nothing is known, or not everything: the first run asks.
    expect(driver.refusalOf?.({ listId: '8' }, { settings: {}, details: null })).toBeNull()
    expect(driver.refusalOf?.({ listId: '8' }, known({ isCut: true }))).toBeNull()
  })

  it('adds custom fields to those of every account', () => {
    const fields = driver.fieldsOf?.(known({ fields: [{ id: '7', title: 'Total spent', type: 'text' }] }))
    expect(fields?.map(({ name, required }) => [name, required])).toEqual([
      ['email', true],
      ['first_name', false],
      ['last_name', false],
      ['phone', false],
      ['field:7', false],
    ])
    expect(driver.fieldsOf?.({ settings: {}, details: null })).toEqual(driver.fields)
  })
})
