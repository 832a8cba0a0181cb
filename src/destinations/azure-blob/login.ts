// What one logs in with at Azure: a connection string, or an address that carries a shared access signature (SAS).
// It is read by this gateway's own rules, so that the address that was checked is the one that is called.

export interface Login {
  account: string
  /** Of the blob service, without the SAS and without a slash at the end. */
  endpoint: string
  key: string | null
  sas: string | null
  /** The only container that the SAS opens; null: it is for the account. */
  container: string | null
  /** What the SAS allows, e.g. `rcwdl`; null: all, or as a policy says that is stored in the account. */
  permissions: string | null
  expiresAt: string | null
}

export interface LoginSecrets {
  connectionString?: string | undefined
  sasUrl?: string | undefined
}

const ACCOUNT_NAME = /^[a-z0-9]{3,24}$/

/** The login, or what is wrong with it as a sentence. It asks nobody. */
export function readLogin({ connectionString, sasUrl }: LoginSecrets): Login | string {
  if (connectionString !== undefined && sasUrl === undefined) return fromConnectionString(connectionString)
  if (sasUrl !== undefined && connectionString === undefined) return fromSasUrl(sasUrl)
  return 'Give connectionString or sasUrl, one of the two.'
}

function fromConnectionString(text: string): Login | string {
  const parts = new Map<string, string>()
  for (const part of text.split(';').map((part) => part.trim())) {
    const at = part.indexOf('=')
    if (part !== '' && at < 1) return 'A connection string has the form Name=Value;Name=Value.'
    if (part !== '') parts.set(part.slice(0, at), part.slice(at + 1))
  }
  const [account = '', key, sas] = [
    parts.get('AccountName'),
    parts.get('AccountKey'),
    parts.get('SharedAccessSignature'),
  ]
  if (account !== '' && !ACCOUNT_NAME.test(account))
    return 'AccountName has 3 to 24 small letters and digits.'
  const { BlobEndpoint: given } = Object.fromEntries(parts)
  if (!given && !account) return 'The connection string needs AccountName, or BlobEndpoint.'
  const suffix = parts.get('EndpointSuffix') ?? 'core.windows.net'
  const address = given ?? `${parts.get('DefaultEndpointsProtocol') ?? 'https'}://${account}.blob.${suffix}`
  if (sas !== undefined) return fromSasUrl(`${address}?${sas.replace(/^\?/, '')}`)
  const place = placeOf(address)
  if (typeof place === 'string') return place
  if (!account || !key)
    return 'The connection string needs AccountName and AccountKey, or SharedAccessSignature.'
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(key)) return 'AccountKey is not in base64.'
  if (place.container !== null || place.query.size > 0)
    return 'BlobEndpoint is the address of the account alone.'
  return {
    account,
    endpoint: place.endpoint,
    key,
    sas: null,
    container: null,
    permissions: null,
    expiresAt: null,
  }
}

function fromSasUrl(text: string): Login | string {
  const place = placeOf(text)
  if (typeof place === 'string') return place
  const { account, endpoint, container, query } = place
  if (!query.has('sig')) return 'The address carries no shared access signature: its part after ? is missing.'
  const isForContainer = query.get('sr') === 'c'
  if (query.has('sr') && !isForContainer) {
    return 'The signature is for a single blob or a folder. Make one for the container, or for the account.'
  }
  if (isForContainer && container === null)
    return 'The address lacks the container that the signature is for.'
  if (!isForContainer && !(query.get('ss')?.includes('b') && query.get('srt')?.includes('o'))) {
    return 'The signature has to be for the service Blob (ss=b) and the resource type Object (srt=o).'
  }
  const permissions = query.get('sp')
  if (permissions !== null && !/^(?=.*r)(?=.*w)/.test(permissions)) {
    return 'The signature has to allow reading and writing (sp=rw); better creating, deleting and listing, too (sp=rcwdl).'
  }
  const sas = text.slice(text.indexOf('?') + 1)
  return { account, endpoint, key: null, sas, container, permissions, expiresAt: query.get('se') }
}

/** The parts of an address; in front of a container, servers that are no host of Azure's have the account's name. */
function placeOf(text: string) {
  if (!URL.canParse(text)) return 'The address is none: it looks like https://ACCOUNT.blob.core.windows.net.'
  const url = new URL(text)
  if (!/^https?:$/.test(url.protocol)) return 'The address has to begin with https://.'
  if (url.username || url.password || url.hash) return 'The address holds a user or a #, which it may not.'
  const steps = url.pathname.split('/').filter(Boolean)
  const isPathStyle = /^[\d.]+$|^\[|^localhost$/.test(url.hostname)
  const account = isPathStyle ? steps.shift() : url.hostname.split('.')[0]
  if (!account) return 'The address lacks the name of the account.'
  const [container = null, ...rest] = steps
  if (rest.length > 0) return 'The address is of a blob. Give the one of the account, or of the container.'
  const endpoint = isPathStyle ? `${url.origin}/${account}` : url.origin
  return { account, endpoint, container, query: url.searchParams }
}
