// The audits of the graphql-http package, which follow the specification of GraphQL over HTTP.
import { serverAudits } from 'graphql-http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestGateway, testGateway } from '../support/api.ts'
import { ways } from '../support/ways.ts'

let gateway: TestGateway
let url = ''
beforeAll(async () => {
  gateway = await testGateway()
  url = await gateway.serve()
})
afterAll(() => gateway.dispose())

describe.each(ways)('GraphQL over HTTP, $name', ({ path }) => {
  const audits = serverAudits({
    url: () => `${url}${path}`,
    fetchFn: (address: string, init: RequestInit = {}) => {
      const headers = new Headers(init.headers)
      headers.set('authorization', `Bearer ${gateway.admin}`)
      // Asked of every GET, so that pages of other origins cannot send one.
      if (init.method !== 'POST') headers.set('graphql-require-preflight', '1')
      return fetch(address, { ...init, headers })
    },
  })

  it.each(audits.filter(({ name }) => !name.startsWith('MAY')))('$id $name', async (audit) => {
    expect(await audit.fn()).toMatchObject({ status: 'ok' })
  })

  it('does of what a server MAY do all of it', async () => {
    const may = audits.filter(({ name }) => name.startsWith('MAY'))
    const answers = await Promise.all(may.map((audit) => audit.fn()))
    console.table(answers.map(({ id, name, status }) => ({ id, name, status })))
    expect(answers.filter(({ status }) => status !== 'ok').map(({ id }) => id)).toEqual([])
    expect(may.length).toBeGreaterThan(20)
  })
})
