// npm run bench: figures, each printed with the bar that it is held against. Ratios are of things measured in turn, in
// the same run, because machines differ and drift.
const BENCHES = [
  {
    name: 'main-job',
    about: 'import, segmentation, export against sqlite3, latency; the one that runs when none is named',
    options: '--rows N  --rounds N',
    run: () => import('./main-job.ts'),
  },
  {
    name: 'postgres',
    about:
      'the same job on PostgreSQL and on SQLite: import, segmentation, export and claims by many workers',
    options: '--rows N  --rounds N  --runs N',
    run: () => import('./postgres.ts'),
  },
  {
    name: 'destinations',
    about: 'the same segment to S3, SFTP and Azure on this machine, against LOCAL_DIRECTORY; peak memory',
    options: '--rows N  --rounds N',
    run: () => import('./destinations.ts'),
  },
  {
    name: 'api',
    about: 'queries a second against Mercurius and plain node:http',
    options: '--rounds N  --seconds N  --documents abc  --only ours,mercurius,plain',
    run: () => import('./api.ts'),
  },
  {
    name: 'fan-out',
    about: 'many WebSocket subscribers of one run: deliveries a second, latency, memory',
    options: '--subscribers N  --rate N  --seconds N',
    run: () => import('./fan-out.ts'),
  },
  {
    name: 'activecampaign',
    about: 'a run as long as the limits of ActiveCampaign make it, in virtual time',
    options: '--rows N  --latency MS,MS',
    run: () => import('./activecampaign.ts'),
  },
  {
    name: 'retention',
    about: 'the clean-up of millions of old rows: the longest time that it holds the database',
    options: '--rows N',
    run: () => import('./retention.ts'),
  },
]

const asked = process.argv[2] ?? ''
if (asked === '--help') {
  console.log('npm run bench -- [NAME] [OPTIONS]\n')
  for (const { name, about, options } of BENCHES)
    console.log(`  ${name.padEnd(14)} ${about}\n${' '.repeat(17)}${options}`)
} else {
  const name = asked.startsWith('--') || asked === '' ? 'main-job' : asked
  const bench = BENCHES.find((known) => known.name === name)
  if (!bench) {
    console.error(`There is no bench ${name}: see npm run bench -- --help`)
    process.exitCode = 2
  }
  await bench?.run()
}
