import { createOutbound } from '../../src/destinations/outbound.ts'

/** Reaches this machine too, by plain HTTP as well: where the tests' own servers are. */
export const toLoopback = createOutbound({ allow: ['http://127.0.0.1', 'http://[::1]', 'http://localhost'] })
