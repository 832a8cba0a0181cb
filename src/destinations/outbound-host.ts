// Hosts as the URL standard reads them: 127.1, 0x7f000001 and full-width digits are 127.0.0.1 to it, as they are to
// whoever connects. What is checked is what is connected to.
import net from 'node:net'

export interface Host {
  /** A name in lower case without a trailing dot, or an address without brackets. */
  name: string
  /** Null when none is written, or that of https. */
  port: number | null
}

/** Names that mean something else on each network, and those under which clouds hand out keys. */
const LOCAL_SUFFIXES =
  /(^|\.)(localhost|localdomain|local|internal|intranet|private|corp|home|lan|svc|home\.arpa|metadata\.goog)$/
const LABELS = /^(?!-)[a-z0-9_-]{1,63}(\.(?!-)[a-z0-9_-]{1,63})*$/

/** A host as somebody writes it, with a port or without; null when it is none. */
export function parseHost(text: string): Host | null {
  const bracketed = net.isIPv6(text) ? `[${text}]` : text
  if (hasHiddenCharacters(text) || /[/?#@%]|:$/.test(bracketed)) return null
  const url = URL.parse(`https://${bracketed}`)
  return url && hostOf(url)
}

/** The host of an address; null when it is neither a name that can be looked up nor an address. */
export function hostOf(url: URL): Host | null {
  const name = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  const isName = name.length <= 253 && LABELS.test(name)
  if (!isName && !net.isIP(name)) return null
  return { name, port: url.port === '' ? null : Number(url.port) }
}

/** Blanks, control and format characters, which the URL standard drops in silence, and what it takes for slashes. */
export function hasHiddenCharacters(text: string): boolean {
  return /[\s\p{C}\\]/u.test(text)
}

/** Whether a name can only lead into the network that the gateway is in. */
export function isLocalName(name: string): boolean {
  return !name.includes('.') || LOCAL_SUFFIXES.test(name)
}
