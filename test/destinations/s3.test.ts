import { afterEach, beforeEach, describe } from 'vitest'
import { s3 } from '../../src/destinations/s3/driver.ts'
import { toLoopback } from '../support/outbound.ts'
import { accountFor, asTexts, everythingOn, objectsOf, openDelivery } from '../support/s3-scenes.ts'
import { type S3Server, s3Server } from '../support/s3-server/server.ts'
import { startS3rver } from '../support/s3rver.ts'
import { fileDriverContract } from './file-driver-contract.ts'

const driver = s3({ outbound: toLoopback })

describe('with the strict stand-in', () => {
  let server: S3Server
  beforeEach(async () => {
    server = await s3Server()
  })
  afterEach(() => server.close())

  fileDriverContract('S3', () => ({
    open: (claim) => openDelivery(driver, accountFor(server), claim),
    visible: async () => asTexts(objectsOf(server)),
    everything: async () => everythingOn(server),
  }))
})

describe('with s3rver', () => {
  let server: Awaited<ReturnType<typeof startS3rver>>
  beforeEach(async () => {
    server = await startS3rver()
  })
  afterEach(() => server.close())

  fileDriverContract('S3', () => ({
    open: (claim) => openDelivery(driver, accountFor(server), claim),
    visible: async () => asTexts(server.objects()),
    // It can neither abort nor list uploads: nothing can be said of them.
    everything: async () => Object.keys(server.objects()),
  }))
})
