import { afterEach, beforeEach } from 'vitest'
import { deliveryTarget } from '../support/delivery-target.ts'
import { type HttpStore, httpStore, httpStoreDriver } from '../support/http-store.ts'
import { fileDriverContract } from './file-driver-contract.ts'

let store: HttpStore
beforeEach(async () => {
  store = await httpStore('ops', 'correct horse')
})
afterEach(() => store.close())

// The driver that the tests of accounts stand on does what every driver must do.
fileDriverContract('A driver with an account', () => ({
  async open({ runId, fence }) {
    const { url, user, password } = store
    const account = { settings: { url, user }, secrets: { password }, details: {} }
    const target = deliveryTarget({ runId, fence, settings: { folder: 'out' }, account })
    const delivery = await httpStoreDriver.deliverFiles?.(target)
    if (!delivery) throw new Error('it delivers files')
    return delivery
  },
  visible: async () => Object.fromEntries(there().filter(([name]) => !name.startsWith('.'))),
  everything: async () => there().map(([name]) => name),
}))

const there = () =>
  [...store.files].map(([name, content]) => [name.replace('out/', ''), `${content}`] as const)
