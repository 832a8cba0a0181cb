import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createOutbound } from '../../src/destinations/outbound.ts'

const closed = createOutbound({ allow: [] })

/** Ways to write addresses and names that are not to be reached. */
const IN_DISGUISE = [
  // This machine
  '127.0.0.1', '127.1', '127.0.1', '127.000.000.001', '127.0.0.1.', '127.255.255.254', '2130706433', '0x7f000001',
  '0x7F.1', '0x7f.0x0.0x0.0x1', '0177.0.0.1', '017700000001', '127.0x0.0.01', '0', '0.0.0.0', '0x0',
  '１２７.０.０.１', '①②⑦.⓪.⓪.①', '127。0。0。1', '127｡0．0.1', '𝟏𝟐𝟕.𝟎.𝟎.𝟏',
  'localhost', 'LOCALHOST', 'localhost.', 'ｌｏｃａｌｈｏｓｔ', 'foo.localhost', 'localhost.localdomain', 'ⓛocalhost',
  '::1', '[::1]', '[0:0:0:0:0:0:0:1]', '[0000::0001]', '::', '[::]',
  // The same in IPv6
  '::ffff:127.0.0.1', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[0:0:0:0:0:ffff:7f00:0001]', '[::127.0.0.1]',
  '[::7f00:1]', '[::ffff:0:127.0.0.1]', '[64:ff9b::127.0.0.1]', '[64:ff9b::7f00:1]', '[64:ff9b:1::7f00:1]',
  '[2002:7f00:1::]', '[2002:a9fe:a9fe::1]', '[2001:0:7f00:1::]', '[fe80::5efe:127.0.0.1]',
  // Private networks, links, and everything else that is not public
  '10.0.0.1', '10.1', '0xa000001', '167772161', '172.16.0.1', '172.31.255.255', '192.168.1.1', '192.168.257',
  '3232235777', '0300.0250.1.1', '100.64.0.1', '198.18.0.1', '192.0.2.1', '224.0.0.1', '240.0.0.1',
  '255.255.255.255', '4294967295', 'fc00::1', '[fd00:ec2::254]', 'fe80::1', '[fec0::1]', 'ff02::1',
  '[2001:db8::1]', '[3fff::1]', '[100::1]', '[5f00::1]', '[::ffff:10.0.0.1]',
  // Where clouds hand out keys
  '169.254.169.254', '169.254.43518', '0xa9fea9fe', '2852039166', '0251.0376.0251.0376', '[::ffff:169.254.169.254]',
  '[64:ff9b::a9fe:a9fe]', '100.100.100.200', '168.63.129.16', '192.0.0.192', 'metadata', 'metadata.google.internal',
  'METADATA.google.internal.', 'metadata.goog', 'instance-data.ec2.internal', '169.254.170.2',
  // Names of the network that the gateway is in
  'postgres', 'redis', 'intranet', 'printer.local', 'db.internal', 'files.corp', 'router.lan', 'nas.home.arpa',
  'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local', 'gateway.home',
] // biome-ignore format: a table

/** What the parsers of others may take for another host than ours does. */
const NO_HOST = [
  '', ' ', '.', '..', 'a..b', '-a.example', 'exa mple.com', 'example.com\n', 'ex\tample.com', 'example.com\0',
  'user@example.com', 'user:pass@127.0.0.1', 'example.com@127.0.0.1', 'example.com#@127.0.0.1', 'example.com/x',
  'example.com?x', 'example.com\\@127.0.0.1', '//example.com', 'https:example.com', '%31%32%37.0.0.1',
  'fe80::1%eth0', '2606:4700::1%1', '[2606:4700::1', '2606:4700::1]', '1.2.3.4.5', '256.256.256.256', '0x7f.1.1.1.1',
  'example.com:', 'example.com:0x50', 'example.com:99999', 'example.com:22:22', 'exam\u00adple.com', 'exam\u200bple.com',
  '\u202eelpmaxe.com', `${'a'.repeat(64)}.com`, `${'a.'.repeat(130)}com`, 'a$b.com', 'a,b.com', '*.example.com',
] // biome-ignore format: a table

describe('an address that somebody wants stored', () => {
  it.each(IN_DISGUISE)('%j is refused as a host, with the setting that would allow it', (host) => {
    expect(closed.refusalOf(host)).toMatch(
      /not on the public internet.*OUTBOUND_ALLOW=|host name or an IP address/,
    )
    expect(
      closed.refusalOf(`https://${host.includes('::') && !host.startsWith('[') ? `[${host}]` : host}/`),
    ).toBeTruthy()
  })

  it.each(NO_HOST)('%j is no host', (host) => {
    expect(closed.refusalOf(host)).toMatch(/host name or an IP address|may not be reached/)
  })

  it.each([
    'store.example.com',
    'Store.Example.COM.',
    'bücher.example',
    'a_b.example.com',
    'example.com:443',
    'example.com:22',
    '93.184.215.14',
    '0x5db8d70e',
    '1.1.1.1:443',
    '2606:4700::1111',
    '[2606:4700::1111]:22',
    'https://store.example.com/bucket?x=1#y',
    'https://[2606:4700::1111]/',
    'HTTPS://EXAMPLE.COM',
    // Next to what is refused
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.0',
    '169.253.255.255',
    '169.255.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '192.167.255.255',
    '192.169.0.0',
    '198.17.255.255',
    '198.20.0.0',
    '223.255.255.255',
    '2001:200::',
    '2003::',
    '3ffe:ffff::',
  ])('%j may be stored', (host) => {
    expect(closed.refusalOf(host)).toBeNull()
  })

  it.each([
    ['http://example.com/', 'must be reached by https://'],
    ['https://example.com:8443/', 'OUTBOUND_ALLOW=example.com:8443'],
    ['example.com:2222', 'OUTBOUND_ALLOW=example.com:2222'],
    ['ftp://example.com/', 'It must start with https://.'],
    ['file:///etc/passwd', 'https://'],
    ['https://user@example.com/', 'user name or a password'],
    ['https://:pw@example.com/', 'user name or a password'],
    ['https://exam ple.com/', 'https://'],
    ['https://example.com\\@127.0.0.1/', 'https://'],
    ['https://example.com/\nx', 'https://'],
  ])('%j is refused: %s', (url, words) => {
    expect(closed.refusalOf(url)).toContain(words)
  })

  it('is the same address in every way to write it', () => {
    fc.assert(
      fc.property(
        fc.nat(0xffffffff),
        fc.array(fc.constantFrom(8, 10, 16), { minLength: 4, maxLength: 4 }),
        (ip, bases) => {
          const bytes = [ip >>> 24, (ip >>> 16) & 255, (ip >>> 8) & 255, ip & 255]
          const write = (value: number, base: number | undefined) =>
            `${base === 16 ? '0x' : base === 8 ? '0' : ''}${value.toString(base)}`
          const verdict = closed.refusalOf(bytes.join('.')) === null
          const ways = [
            bytes.map((byte, n) => write(byte, bases[n])).join('.'),
            write(ip, bases[0]),
            `${write(bytes[0]!, bases[0])}.${write(ip & 0xffffff, bases[1])}`,
            `${bytes.join('.')}.`,
            bytes.join('.').replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
          ]
          for (const way of ways) expect(closed.refusalOf(way) === null, way).toBe(verdict)
          for (const prefix of ['::ffff:', '::', '64:ff9b::']) {
            expect(closed.refusalOf(prefix + bytes.join('.')), prefix).not.toBeNull()
          }
        },
      ),
    )
  })
})
