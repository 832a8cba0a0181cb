import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

/** Run on both databases: what reads and writes one. All other suites are the same on either. */
const ON_BOTH = ['storage', 'services', 'engine', 'api', 'ws'].map((folder) => `test/${folder}/**/*.test.ts`)
/** About SQLite alone: its files, its locks and its plans; about PostgreSQL alone, run once: its servers. */
const ON_ONE = [
  'test/storage/sqlite*.test.ts',
  'test/storage/postgres*.test.ts',
  'test/storage/cursor.test.ts',
  'test/engine/simulated-year.test.ts', // a year's writes, one after the other: minutes over a socket
]

export default defineConfig({
  // As Node resolves them: with Vite's own `development` there would be two copies of graphql.
  ssr: { resolve: { conditions: ['node', 'module-sync'], externalConditions: ['node', 'module-sync'] } },
  test: {
    root: new URL('..', import.meta.url).pathname,
    globalSetup: ['test/support/left-out.ts', 'test/support/postgres-of-run.ts'],
    pool: 'forks',
    // Many suites wait for servers, processes and time limits most of their time.
    maxWorkers: availableParallelism() + 1,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    env: { NODE_ENV: 'test', LOG_LEVEL: 'silent' },
    projects: [
      { extends: true, test: { name: 'sqlite', include: ['test/**/*.test.ts'] } },
      {
        extends: true,
        test: { name: 'postgres', include: ON_BOTH, exclude: ON_ONE, env: { TEST_DIALECT: 'postgres' } },
      },
    ],
  },
})
