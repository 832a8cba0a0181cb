import type { Outbound } from '../outbound.ts'

/** Where accounts live, in their several regions. */
const ACCOUNT_HOST = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+(api-[a-z]{2}\d\.com|activehosted\.com)$/

/**
 * What requests to a host begin with; null where it is none of ActiveCampaign's. Whoever runs the gateway may name others
 * in OUTBOUND_ALLOW: what takes plain HTTP, or has a port of its own, was named there on purpose.
 */
export function originOf(hostname: string, { refusalOf }: Pick<Outbound, 'refusalOf'>): string | null {
  if (ACCOUNT_HOST.test(hostname)) return `https://${hostname}`
  if (/[/@?#\\]/.test(hostname)) return null
  const isNamed = (origin: string) => refusalOf(origin) === null
  if (isNamed(`http://${hostname}`)) return `http://${hostname}`
  const port = /:(\d+)$/.exec(hostname)?.[1] ?? '443'
  const isOpenToAll = ['443', '22'].includes(port)
  return !isOpenToAll && isNamed(`https://${hostname}`) ? `https://${hostname}` : null
}
