import type { Outbound } from '../../src/destinations/outbound.ts'
export const toLoopback = {
  refusalOf: (text: string) => (/^http:\/\/127\.0\.0\.1:\d+$/.test(text) ? null : 'It may not be reached.'),
  fetch,
} as unknown as Outbound
