// The driver for Azure, an emulator behind a proxy that can misbehave, and a fresh container for every test.
import {
  BlobServiceClient,
  type ContainerClient,
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { azureBlob } from '../../src/destinations/azure-blob/driver.ts'
import type { DeliveryTarget, FileDelivery } from '../../src/destinations/driver.ts'
import type { Outbound } from '../../src/destinations/outbound.ts'
import { type AzuriteServer, azuriteServer } from './azurite-server.ts'
import { deliveryTarget } from './delivery-target.ts'
import { type HttpFaultyProxy, httpFaultyProxy } from './faulty-proxy.ts'
import { toLoopback } from './outbound.ts'

export interface AzureScene {
  azurite: AzuriteServer
  service: BlobServiceClient
  proxy: HttpFaultyProxy
  container: ContainerClient
}
type More = Partial<DeliveryTarget> & { secrets?: Record<string, string>; outbound?: Outbound }

/** Call it once in a test file; what it gives is filled in before each test. */
export function azureScene() {
  const scene = {} as AzureScene
  let number = 0
  beforeAll(async () => {
    scene.azurite = await azuriteServer()
    scene.service = BlobServiceClient.fromConnectionString(scene.azurite.connectionString())
  })
  beforeEach(async () => {
    number += 1
    scene.proxy = await httpFaultyProxy(scene.azurite.port)
    scene.container = scene.service.getContainerClient(`out-${number}`)
    await scene.container.create()
  })
  afterEach(() => scene.proxy.close())
  afterAll(() => scene.azurite.stop())

  const files = async (includeUncommitedBlobs: boolean) => {
    const names: string[] = []
    for await (const { name } of scene.container.listBlobsFlat({ includeUncommitedBlobs })) names.push(name)
    return names
  }
  const short = (name: string) => name.replace('in/here/', '')
  return {
    scene,
    /** Over the proxy, with short patience. */
    async open(run: { runId: string; fence: number }, more: More = {}): Promise<FileDelivery> {
      const { secrets = this.keySecrets(), outbound = toLoopback, ...target } = more
      const driver = azureBlob({ outbound, callMs: 1_000 })
      const settings = driver.settings.parse({ container: scene.container.containerName, path: 'in/here' })
      const account = { settings: {}, secrets, details: {} }
      const delivery = await driver.deliverFiles?.(deliveryTarget({ ...run, settings, account, ...target }))
      if (!delivery) throw new Error('it delivers files')
      return delivery
    },
    keySecrets: () => ({ connectionString: scene.azurite.connectionString(scene.proxy.port) }),
    /** A signature for the test's container alone. */
    sasSecrets(permissions: string, expiresOn = new Date(Date.now() + 3_600_000)) {
      const { account, key } = scene.azurite
      const { containerName } = scene.container
      const values = { containerName, permissions: ContainerSASPermissions.parse(permissions), expiresOn }
      const sas = generateBlobSASQueryParameters(values, new StorageSharedKeyCredential(account, key))
      return { sasUrl: `http://127.0.0.1:${scene.proxy.port}/${account}/${containerName}?${sas}` }
    },
    /** Names in the folder, those of uncommitted blobs too. */
    everything: async () => (await files(true)).map(short),
    async visible(): Promise<Record<string, string>> {
      const found: Record<string, string> = {}
      for (const name of await files(false)) {
        found[short(name)] = `${await scene.container.getBlobClient(name).downloadToBuffer()}`
      }
      return found
    },
  }
}
