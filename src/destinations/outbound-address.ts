// Which addresses anybody may reach: the registries of special-purpose addresses of IANA (RFC 6890), read strictly.
import net from 'node:net'

const SPECIAL_IPV4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10], // shared by carriers; Alibaba's metadata
  ['127.0.0.0', 8],
  ['168.63.129.16', 32], // Azure's machine agent: public by number, answered by the machine's host
  ['169.254.0.0', 16], // link-local; metadata of most clouds
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const
/** Of 2000::/3, outside of which nothing is public: neither IPv4 in disguise (::/96, ::ffff:0:0/96, 64:ff9b::/96) nor fc00::/7. */
const SPECIAL_IPV6 = [
  ['2001::', 23], // Teredo and other tunnels
  ['2001:db8::', 32],
  ['2002::', 16], // 6to4
  ['3fff::', 20],
] as const

const special = new net.BlockList()
for (const [address, prefix] of SPECIAL_IPV4) special.addSubnet(address, prefix, 'ipv4')
for (const [address, prefix] of SPECIAL_IPV6) special.addSubnet(address, prefix, 'ipv6')
const global = new net.BlockList()
global.addSubnet('2000::', 3, 'ipv6')

/** Whether an address is one of the public internet. */
export function isPublic(address: string): boolean {
  if (net.isIPv4(address)) return !special.check(address, 'ipv4')
  return isInside(global, address) && !special.check(address, 'ipv6')
}

/** Addresses with a zone are of no network but the own. */
export function isInside(list: net.BlockList, address: string): boolean {
  if (net.isIPv4(address)) return list.check(address, 'ipv4')
  return net.isIPv6(address) && !address.includes('%') && list.check(address, 'ipv6')
}
