// What may be reached: the public internet by https and SSH, and what the setting OUTBOUND_ALLOW adds to it.
import net from 'node:net'
import { isInside, isPublic } from './outbound-address.ts'
import { type Host, hasHiddenCharacters, hostOf, isLocalName, parseHost } from './outbound-host.ts'

export interface OutboundRules {
  /** As Outbound.refusalOf. */
  refusalOf(hostOrUrl: string): string | null
  /** What is wrong with a connection, as a sentence that does not tell where a name leads; null: it may be made. */
  refusalOfConnection(to: Connection): string | null
}
export interface Connection {
  host: string
  /** Null: not known yet. */
  port: number | null
  /** What the host leads to; null: not asked yet. */
  address: string | null
  /** Whether it is plain HTTP. */
  isPlain: boolean
}

/** One entry of OUTBOUND_ALLOW: a name, an address, a range or `*`, for one port or for all. */
interface AllowEntry {
  /** Null: all of them. */
  port: number | null
  allowsPlain: boolean
  /** Of a name that has not been looked up: whether it may turn out to be covered. */
  covers(host: string, address: string | null): boolean
}

const OPEN_PORTS = [443, 22]
const SYNTAX =
  /^(http:\/\/)?(\[[^\]]*\]|[^:[\]/]+|[^[\]/]*:[^[\]/]*:[^[\]/]*)(?:\/(\d{1,3}))?(?::(\d{1,5}))?$/

/** What is wrong with an entry of OUTBOUND_ALLOW, as the rest of a sentence; null: nothing. */
export function problemOfAllowEntry(text: string): string | null {
  if (parseEntry(text)) return null
  return `${JSON.stringify(text)} is none of a name, an address, a range (10.0.0.0/8) or *, each with a port (:9000) or without, and after http:// where plain HTTP is allowed`
}

/** @throws Error for an entry that `problemOfAllowEntry` refuses */
export function outboundRules(allow: readonly string[]): OutboundRules {
  const entries = allow.map((text) => {
    const entry = parseEntry(text)
    if (!entry) throw new Error(problemOfAllowEntry(text) ?? text)
    return entry
  })

  const refusalOfConnection = ({ host, port, address, isPlain }: Connection): string | null => {
    const covering = entries.filter(
      (entry) => (entry.port === null || port === null || entry.port === port) && entry.covers(host, address),
    )
    const shown = `${net.isIPv6(host) ? `[${host}]` : host}${port === null ? '' : `:${port}`}`
    if (isPlain && !covering.some((entry) => entry.allowsPlain)) {
      return `${shown} must be reached by https://. ${remedy(`http://${shown}`)}`
    }
    if (covering.length > 0) return null
    if (address === null ? isLocalName(host) : !isPublic(address)) {
      return `${shown} is not on the public internet, and may not be reached. ${remedy(shown)}`
    }
    if (port === null || OPEN_PORTS.includes(port)) return null
    return `The port of ${shown} may not be reached, only ${OPEN_PORTS.join(' and ')}. ${remedy(shown)}`
  }

  return {
    refusalOfConnection,
    refusalOf(hostOrUrl) {
      const target = hostOrUrl.includes('://') ? targetOfUrl(hostOrUrl) : targetOfHost(hostOrUrl)
      if (typeof target === 'string') return target
      const { name, port } = target.host
      const address = net.isIP(name) ? name : null
      return refusalOfConnection({ host: name, port, address, isPlain: target.isPlain })
    },
  }
}

const remedy = (entry: string) => `Whoever runs the gateway can allow it: OUTBOUND_ALLOW=${entry}`

function targetOfHost(text: string): { host: Host; isPlain: boolean } | string {
  const host = parseHost(text)
  return host ? { host, isPlain: false } : 'It must be a host name or an IP address.'
}

function targetOfUrl(text: string): { host: Host; isPlain: boolean } | string {
  const url = hasHiddenCharacters(text) ? null : URL.parse(text)
  const host = url && hostOf(url)
  if (!host) return 'It must be an address that starts with https://.'
  if (url.username || url.password) return 'It must not hold a user name or a password.'
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'It must start with https://.'
  const isPlain = url.protocol === 'http:'
  return { host: { name: host.name, port: host.port ?? (isPlain ? 80 : 443) }, isPlain }
}

function parseEntry(text: string): AllowEntry | null {
  const [, plain, target = '', prefix, port] = SYNTAX.exec(text) ?? []
  const covers = target === '*' ? (prefix ? null : coversPublic) : coverOf(target, prefix)
  if (!covers || Number(port ?? 1) < 1 || Number(port ?? 1) > 65_535) return null
  return { port: port ? Number(port) : null, allowsPlain: plain !== undefined, covers }
}

const coversPublic: AllowEntry['covers'] = (host, address) =>
  address === null ? !isLocalName(host) : isPublic(address)

function coverOf(target: string, prefix: string | undefined): AllowEntry['covers'] | null {
  const host = parseHost(target)
  if (!host || host.port !== null) return null
  const family = net.isIPv4(host.name) ? 'ipv4' : 'ipv6'
  if (!net.isIP(host.name)) return prefix ? null : (name) => name === host.name
  const longest = family === 'ipv4' ? 32 : 128
  if (Number(prefix ?? longest) > longest) return null
  const range = new net.BlockList()
  range.addSubnet(host.name, Number(prefix ?? longest), family)
  return (_, address) => address === null || isInside(range, address)
}
