import {
  AccountSASPermissions,
  AccountSASResourceTypes,
  AccountSASServices,
  generateAccountSASQueryParameters,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { describe, expect, it } from 'vitest'
import { azureBlob } from '../../src/destinations/azure-blob/driver.ts'
import { createOutbound } from '../../src/destinations/outbound.ts'
import { azureScene } from '../support/azure-blob.ts'
import { toLoopback } from '../support/outbound.ts'

const KEY = Buffer.from('key').toString('base64')
const HOST = 'https://shop.blob.core.windows.net'
const OF_ACCOUNT = 'sv=2025-01-05&ss=b&srt=sco&sp=rwdlc&sig=abc%2F'
const OF_CONTAINER = 'sv=2025-01-05&sr=c&sp=racwdl&sig=abc%2F'

describe('what one logs in with', () => {
  const parse = (secrets: Record<string, string>, outbound = createOutbound({ allow: [] })) => {
    const parsed = azureBlob({ outbound }).account?.secrets.safeParse(secrets)
    return parsed?.error?.issues.map(({ message, path }) => `${path.join('.')}: ${message}`) ?? []
  }

  it.each([
    { connectionString: `AccountName=shop;AccountKey=${KEY}` },
    {
      connectionString: ` DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=${KEY};EndpointSuffix=core.chinacloudapi.cn `,
    },
    { connectionString: `AccountName=shop;AccountKey=${KEY};BlobEndpoint=https://blobs.example.com/;` },
    { connectionString: `BlobEndpoint=${HOST}/;SharedAccessSignature=${OF_ACCOUNT}` },
    { sasUrl: `${HOST}/?${OF_ACCOUNT}` },
    { sasUrl: `${HOST}/out?${OF_CONTAINER}` },
    { sasUrl: `${HOST}/out?sv=1&sr=c&si=a-policy&sig=abc` },
  ])('%j is taken', (secrets) => {
    expect(parse(secrets)).toEqual([])
  })

  it.each([
    [{}, 'Give connectionString or sasUrl'],
    [{ sasUrl: `${HOST}/?${OF_ACCOUNT}`, connectionString: 'a=b' }, 'Give connectionString or sasUrl'],
    [{ connectionString: 'hello' }, 'has the form'],
    [{ connectionString: 'UseDevelopmentStorage=true' }, 'needs AccountName'],
    [{ connectionString: 'AccountName=shop' }, 'needs AccountName and AccountKey'],
    [{ connectionString: 'AccountName=shop;AccountKey=not base64' }, 'not in base64'],
    [{ connectionString: `AccountName=127.0.0.1/;AccountKey=${KEY}` }, 'small letters and digits'],
    [{ connectionString: `AccountName=shop;AccountKey=${KEY};BlobEndpoint=${HOST}/out` }, 'account alone'],
    [{ sasUrl: HOST }, 'carries no shared access signature'],
    [{ sasUrl: 'shop' }, 'The address is none'],
    [{ sasUrl: `ftp://shop/?${OF_ACCOUNT}` }, 'begin with https'],
    [{ sasUrl: `https://u:p@shop.blob.core.windows.net/?${OF_ACCOUNT}` }, 'a user or a #'],
    [{ sasUrl: `${HOST}/out/a.csv?${OF_CONTAINER}` }, 'of a blob'],
    [{ sasUrl: `${HOST}/?${OF_CONTAINER}` }, 'lacks the container'],
    [{ sasUrl: `${HOST}/out/?sr=b&sp=rw&sig=abc` }, 'for a single blob'],
    [{ sasUrl: `${HOST}/?ss=q&srt=o&sp=rw&sig=abc` }, 'service Blob'],
    [{ sasUrl: `${HOST}/out?sr=c&sp=rl&sig=abc` }, 'reading and writing'],
    [{ sasUrl: HOST, password: 'x' }, 'password'],
    // Addresses that are not to be reached, wherever they stand.
    [
      { connectionString: `AccountName=shop;AccountKey=${KEY};DefaultEndpointsProtocol=http` },
      'OUTBOUND_ALLOW',
    ],
    [
      { connectionString: `AccountName=shop;AccountKey=${KEY};BlobEndpoint=https://127.1:10000/shop` },
      'OUTBOUND_ALLOW',
    ],
    [{ connectionString: `AccountName=shop;AccountKey=${KEY};EndpointSuffix=localhost` }, 'OUTBOUND_ALLOW'],
    [{ sasUrl: `https://169.254.169.254/out?${OF_ACCOUNT}` }, 'OUTBOUND_ALLOW'],
    [{ sasUrl: `https://[::ffff:7f00:1]/shop/out?${OF_CONTAINER}` }, 'OUTBOUND_ALLOW'],
  ])('%j is refused and told why: %s', (secrets, why) => {
    const problems = parse(secrets as Record<string, string>)
    expect(problems.join()).toContain(why)
    for (const value of Object.values(secrets))
      if (value.length > 9) expect(problems.join()).not.toContain(value)
  })
})

describe('the container and its folder', () => {
  const { settings } = azureBlob({ outbound: toLoopback })
  it('have the names that the service takes, and stay where they are', () => {
    expect(settings.parse({ container: 'out' })).toEqual({ container: 'out', path: '' })
    expect(settings.parse({ container: 'a-1', path: 'sales/daily/' }).path).toBe('sales/daily')
    for (const container of ['', 'ab', 'Out', 'a--b', '-ab', 'ab-', 'a'.repeat(64), '../x', '$root']) {
      expect(settings.safeParse({ container }).success, container).toBe(false)
    }
    for (const path of ['..', '../x', '/x', 'a//b', 'a\\b', 'a/../b', 'a\nb', 'x'.repeat(501)]) {
      expect(settings.safeParse({ container: 'out', path }).success, path).toBe(false)
    }
  })

  it('are held against what the account told', () => {
    const refusal = (details: object | null) =>
      azureBlob({ outbound: toLoopback }).refusalOf?.(
        { container: 'out' },
        { settings: {}, details: details as never },
      )
    expect(refusal(null)).toBeNull()
    expect(refusal({ containers: ['out'], hasMoreContainers: false })).toBeNull()
    expect(refusal({ containers: ['in'], hasMoreContainers: true })).toBeNull()
    expect(refusal({ containers: ['in'], hasMoreContainers: false })).toMatch(
      /no container "out"; it told of: in/,
    )
  })
})

describe('the login', () => {
  const azure = azureScene()
  const { scene } = azure
  const verify = (secrets: Record<string, string>, outbound = toLoopback) => {
    const account = { settings: {}, details: null, secrets }
    return azureBlob({ outbound, callMs: 1_000 }).account?.verify(account, AbortSignal.timeout(10_000))
  }
  const accountSas = (types: string, permissions: string) => {
    const { account, key } = scene.azurite
    const sas = generateAccountSASQueryParameters(
      {
        services: AccountSASServices.parse('b').toString(),
        resourceTypes: AccountSASResourceTypes.parse(types).toString(),
        permissions: AccountSASPermissions.parse(permissions),
        expiresOn: new Date('2100-01-01'),
      },
      new StorageSharedKeyCredential(account, key),
    )
    return { sasUrl: `http://127.0.0.1:${scene.proxy.port}/${account}?${sas}` }
  }
  const known = () => ({
    account: 'teststore',
    endpoint: `http://127.0.0.1:${scene.proxy.port}/teststore`,
  })
  const own = () => scene.container.containerName

  it('with a key tells of the containers there are, and changes nothing', async () => {
    const before = (await azure.everything()).length
    const details = await verify(azure.keySecrets())
    expect(details).toMatchObject({ ...known(), hasMoreContainers: false })
    expect(details?.containers).toContain(own())
    expect(await azure.everything()).toHaveLength(before)
  })

  it('with the signature of an account does so too', async () => {
    const details = await verify(accountSas('sco', 'rwdlc'))
    expect(details?.containers).toContain(own())
    expect(details?.expiresAt).toMatch(/^2100/)
  })

  it('with one for objects alone is sure of the account, and leaves the container open', async () => {
    expect(await verify(accountSas('o', 'rw'))).toMatchObject({
      ...known(),
      containers: [],
      hasMoreContainers: true,
    })
  })

  it('with one for a container tells of that', async () => {
    const details = await verify(azure.sasSecrets('rw'))
    expect(details).toMatchObject({ ...known(), containers: [own()], hasMoreContainers: false })
  })

  it('is refused in the words of the service', async () => {
    const wrongKey = { connectionString: azure.keySecrets().connectionString.replace(scene.azurite.key, KEY) }
    await expect(verify(wrongKey)).rejects.toMatchObject({
      code: 'REFUSED_LOGIN',
      retryable: false,
      message: expect.stringMatching(
        /^Azure answered 403 AuthorizationFailure: Server failed to authenticate/,
      ),
    })
    const expired = azure.sasSecrets('rw', new Date('2020-01-01'))
    await expect(verify(expired)).rejects.toMatchObject({ code: 'REFUSED_LOGIN' })
    const tampered = { sasUrl: azure.sasSecrets('rw').sasUrl.replace('sp=rw', 'sp=racwdl') }
    await expect(verify(tampered)).rejects.toMatchObject({ code: 'REFUSED_LOGIN' })
  })

  it('to a container that is not there names it', async () => {
    const secrets = azure.sasSecrets('rw')
    await scene.container.delete()
    await expect(verify(secrets)).rejects.toMatchObject({
      code: 'BAD_SETTINGS',
      message: expect.stringMatching(/ContainerNotFound/),
    })
  })

  it('goes nowhere that is not allowed, also with secrets that were stored when it was', async () => {
    await expect(verify(azure.keySecrets(), createOutbound({ allow: [] }))).rejects.toMatchObject({
      code: 'REFUSED_ADDRESS',
    })
  })
})
