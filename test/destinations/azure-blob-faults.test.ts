import { BlobServiceClient } from '@azure/storage-blob'
import { azuriteServer } from '../support/azurite-server.ts'
import { httpFaultyProxy } from '../support/faulty-proxy.ts'
import { fileDriverFaults } from './file-driver-faults.ts'

fileDriverFaults('AZURE_BLOB', {
  over: 'http',
  async start() {
    const azurite = await azuriteServer()
    const proxy = await httpFaultyProxy(azurite.port)
    const service = BlobServiceClient.fromConnectionString(azurite.connectionString())
    const container = service.getContainerClient('out')
    await container.create()
    const blobs = async (includeUncommitedBlobs: boolean) => {
      const names: string[] = []
      for await (const { name } of container.listBlobsFlat({ includeUncommitedBlobs })) names.push(name)
      return names
    }
    return {
      destination: {
        type: 'AZURE_BLOB',
        account: { settings: {}, secrets: { connectionString: azurite.connectionString(proxy.port) } },
        settings: { container: 'out', path: 'daily' },
      },
      proxy,
      async files() {
        const names = await blobs(false)
        const entries = names.map(async (name) => {
          const content = await container.getBlobClient(name).downloadToBuffer()
          return [name.replace('daily/', ''), content] as const
        })
        return new Map(await Promise.all(entries))
      },
      async leftovers() {
        const visible = await blobs(false)
        return (await blobs(true)).filter((name) => !visible.includes(name))
      },
      async clear() {
        for (const name of await blobs(true)) await container.deleteBlob(name)
      },
      secrets: [azurite.key, azurite.connectionString(proxy.port)],
      async close() {
        await proxy.close()
        await azurite.stop()
      },
    }
  },
})
