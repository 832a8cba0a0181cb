// A run to ActiveCampaign as long as its limits make it: the engine and the driver against the strict emulator, over
// real HTTP, in virtual time.
import { parseArgs } from 'node:util'
import { virtualGateway } from '../support/activecampaign/virtual-gateway.ts'
import { bar, figure, heading, seconds } from './report.ts'

const { values: options } = parseArgs({
  allowPositionals: true,
  options: { rows: { type: 'string', default: '1000000' }, latency: { type: 'string', default: '0,200' } },
})
const ROWS = Number(options.rows)
const PER_IMPORT = 250
const IMPORTS_A_MINUTE = 100
/** What is documented for a million profiles. */
const DOCUMENTED_MINUTES = 90

function* emails(): Generator<string> {
  for (let n = 0; n < ROWS; n += 1) yield `person.${n}@example.org`
}

const imports = Math.ceil(ROWS / PER_IMPORT)
const allowed = imports / IMPORTS_A_MINUTE
const few = ROWS.toLocaleString('en')
heading(
  `${few} profiles to ActiveCampaign: ${imports} imports, which the account allows in ${allowed.toFixed(1)} minutes`,
)
for (const latencyMs of options.latency.split(',').map(Number)) {
  const gateway = await virtualGateway({ latencyMs })
  try {
    const { id } = await gateway.run(emails())
    const began = performance.now()
    const { status, exported } = await gateway.ended(id)
    const taken = (performance.now() - began) / 1000
    const minutes = gateway.clock.now() / 60_000
    const { data, counts } = gateway.emulator
    const isWhole = status === 'SUCCESS' && exported === ROWS && data.contacts.size === ROWS
    const questions = counts.get('GET /api/3/import/info 200') ?? 0
    const refused = gateway.refused().reduce((sum, [, count]) => sum + count, 0)
    heading(`Every request ${latencyMs} ms on its way`)
    figure(
      'contacts in the list',
      data.contacts.size.toLocaleString('en'),
      bar(isWhole, `all, and the run is ${status}`),
    )
    const limit = (DOCUMENTED_MINUTES * ROWS) / 1_000_000
    figure(
      'time for the account',
      `${minutes.toFixed(1)} minutes`,
      bar(minutes <= limit, `at most ${limit.toFixed(1)}`),
    )
    figure('requests that were refused', String(refused), bar(refused === 0, 'none'))
    figure('questions for each import', (questions / imports).toFixed(2))
    figure('time here', seconds(taken))
  } finally {
    await gateway.dispose()
  }
}
