// The driver that the README shows does what every driver must do, and its forms can be drawn.
import fs from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type ContactApi, contactApi } from '../support/contact-api.ts'
import { example } from '../support/example/driver.ts'
import { toLoopback } from '../support/outbound.ts'
import { fences } from '../support/readme.ts'
import { profileDriverContract } from './profile-driver-contract.ts'

let api: ContactApi
beforeEach(async () => {
  api = await contactApi()
})
afterEach(() => api.close())

const driver = example({ outbound: toLoopback })
profileDriverContract('The driver of the README', () => ({
  driver,
  settings: {},
  account: { settings: { url: api.url }, secrets: { apiKey: api.key } },
  fields: [
    { source: 'email', target: 'EMAIL', required: true },
    { source: 'name', target: 'NAME', required: false },
  ],
  values: (n) => [`p${n}@example.com`, `Person ${n}`],
  refusedValues: ['nowhere', null],
  keyOf: ([email]) => String(email),
  stored: () => [...api.contacts].flatMap(([email, times]) => Array<string>(times).fill(email)),
  requests: () => api.requests,
  answerNext: (fault) => void api.faults.push(fault),
  fallSilent: () => {
    api.isSilent = true
  },
}))

it('is what the README shows', () => {
  const file = path.join(import.meta.dirname, '../support/example/driver.ts')
  const moved = fs
    .readFileSync(file, 'utf8')
    .replaceAll('../../../src/destinations/', '../')
    .replaceAll('../../../src/', '../../')
  expect(fences('ts', "type: 'EXAMPLE'")).toEqual([moved])
})
