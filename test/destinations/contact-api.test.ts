import { afterEach, beforeEach } from 'vitest'
import { type ContactApi, contactApi, contactApiDriver } from '../support/contact-api.ts'
import { profileDriverContract } from './profile-driver-contract.ts'

let api: ContactApi
beforeEach(async () => {
  api = await contactApi()
})
afterEach(() => api.close())

const setup = () => ({
  driver: contactApiDriver,
  settings: {},
  account: { settings: { url: api.url }, secrets: { key: api.key } },
  fields: [
    { source: 'email', target: 'EMAIL', required: true },
    { source: 'name', target: 'NAME', required: false },
  ],
  values: (n: number) => [`p${n}@example.com`, `Person ${n}`],
  refusedValues: ['nowhere', null],
  keyOf: ([email]: readonly unknown[]) => String(email),
  stored: () => [...api.contacts].flatMap(([email, times]) => Array<string>(times).fill(email)),
  requests: () => api.requests,
  answerNext: (fault: { status: number; retryAfterSeconds?: number }) => void api.faults.push(fault),
  fallSilent: () => {
    api.isSilent = true
  },
})

// The driver that the tests of the engine stand on does what every driver must do.
profileDriverContract('A driver that is answered at once', setup)
profileDriverContract('A driver that is answered later', () => {
  api.isSlow = true
  api.waits = 2
  return setup()
})
