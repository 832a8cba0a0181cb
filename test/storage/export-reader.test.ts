// What an export reads of two versions: an increment brings whoever has the one to the other.
import { inArray } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { profileRows } from '../../src/engine/profile-rows.ts'
import type { ExportQuery } from '../../src/storage/capabilities.ts'
import { openExportReader } from '../../src/storage/export-reader.ts'
import { newId } from '../../src/storage/ids.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { randomNumbers } from '../support/random.ts'
import { addProfiles } from '../support/segments.ts'

interface Person {
  email?: string
  name?: string
  consent?: boolean
}
let test: TestDatabase
beforeAll(async () => {
  test = await testDatabase()
})
afterAll(() => test.dispose())

const all: ExportQuery = {
  version: 0,
  since: null,
  refusedIn: null,
  paths: ['id', 'email', 'name', null],
  asText: false,
  deduplicateBy: [],
  required: [],
  consent: null,
  sent: null,
}
let version = 0
let made = 0

/** People under new ids, and the versions that the groups of them, counted from 0, are members of. */
async function people(them: Person[], ...groups: number[][]) {
  const earlier = made
  made += them.length
  await addProfiles(test, [...Array.from({ length: earlier }, () => ({})), ...them])
  const ids = (await idsOf()).slice(-them.length)
  const rows = groups.flatMap((group) => {
    version += 1
    return group.map((one) => [version, ids[one] ?? 0])
  })
  await test.database.batch([{ into: 'members', columns: ['version', 'profile_id'], rows }])
  const versions = groups.map((_, index) => version - groups.length + 1 + index)
  return { ids, versions, before: versions[0] ?? 0, now: versions[1] ?? 0 }
}
async function idsOf(): Promise<number[]> {
  const { profiles } = test.database.tables
  const rows = await test.database.db.select({ id: profiles.id }).from(profiles).orderBy(profiles.id)
  return rows.map(({ id }) => id)
}
async function refuse(profileIds: number[]): Promise<string> {
  const runId = newId('run')
  const rows = profileIds.map((id) => [runId, id, 'REFUSED_BY_DESTINATION', null])
  await test.database.batch([
    { into: 'rejections', columns: ['run_id', 'profile_id', 'reason', 'detail'], rows },
  ])
  return runId
}

/** What leaves, `email status`, and why others do not, in the order of the profiles. */
async function read(query: Partial<ExportQuery>, pageRows = 3) {
  const whole = { ...all, ...query }
  const reader = openExportReader(test.database.exportSource(), whole)
  const columns = whole.paths.map((path) => ({
    target: path ?? 'status',
    required: path !== null && whole.required.includes(path),
  }))
  try {
    await reader.prepare()
    const rows = []
    for (let last = 0; ; ) {
      const page = await reader.page(last, pageRows)
      if (page === null) return rows
      rows.push(...profileRows(page.lines, { columns, hasConsent: whole.consent !== null }))
      expect(page).toMatchObject({ lastProfileId: rows.at(-1)?.profileId })
      last = page.lastProfileId
    }
  } finally {
    await reader.close()
  }
}
const shown = async (query: Partial<ExportQuery>, pageRows?: number) =>
  (await read(query, pageRows)).map((row) =>
    'values' in row ? `${row.values[1]} ${row.values[3]}` : row.reason,
  )

describe('all members', () => {
  it('are realized, wherever the column is, and alone', async () => {
    const { now } = await people([{ email: 'a@x' }, { email: 'b@x' }], [], [0, 1])
    expect(await shown({ version: now })).toEqual(['a@x realized', 'b@x realized'])
    const alone = await read({ version: now, paths: [null] })
    expect(alone).toMatchObject([{ values: ['realized'] }, { values: ['realized'] }])
    const twice = await read({ version: now, paths: [null, 'email', null], consent: 'consent' })
    expect(twice).toMatchObject([{ reason: 'NO_CONSENT' }, { reason: 'NO_CONSENT' }])
  })

  it('keep every value as it is beside a status', async () => {
    const values = {
      name: 'é"\\\n\u{1f600}',
      on: true,
      off: false,
      ratio: 1e-7,
      large: 9_007_199_254_740_991,
      list: [1, { a: null }],
    }
    const { now, ids } = await people([values as Person], [], [0])
    const reader = openExportReader(test.database.exportSource(), {
      ...all,
      version: now,
      paths: ['name', null, 'on', 'off', 'ratio', 'large', 'list', 'nothing'],
    })
    await reader.prepare()
    const pages = [await reader.page(ids[0]! - 1, 10), await reader.page(ids[0]!, 10)]
    await reader.close()
    const line = Buffer.from(pages[0]?.lines ?? []).toString()
    expect(pages[1]).toBeNull()
    const { name, on, off, ratio, large, list } = values
    expect(JSON.parse(line.slice(line.indexOf('[')))).toEqual([
      name,
      'realized',
      on,
      off,
      ratio,
      large,
      list,
      null,
    ])
  })
})

describe('an increment', () => {
  const five = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ email: `${name}@x`, consent: true }))

  it('has those that came and those that left, in the order of profiles', async () => {
    const { before, now } = await people(five, [0, 1, 2], [1, 3, 4])
    const changes = ['a@x exited', 'c@x exited', 'd@x realized', 'e@x realized']
    expect(await shown({ version: now, since: before })).toEqual(changes)
    expect(await shown({ version: before, since: now })).toHaveLength(4)
    expect(await shown({ version: now, since: now })).toEqual([])
  })

  it('has only those that came where no column tells who left', async () => {
    const { before, now } = await people(five, [0, 1], [1, 2])
    const rows = await read({ version: now, since: before, paths: ['email'], deduplicateBy: ['email'] })
    expect(rows).toMatchObject([{ values: ['c@x'] }])
  })

  it('has nobody who was erased', async () => {
    const { before, now, ids } = await people(five, [0, 1], [2, 3])
    const { profiles } = test.database.tables
    await test.database.batch([
      test.database.db.delete(profiles).where(inArray(profiles.id, [ids[0]!, ids[2]!])),
    ])
    for (const pageRows of [3, 1]) {
      expect(await shown({ version: now, since: before }, pageRows)).toEqual(['b@x exited', 'd@x realized'])
    }
  })

  it('lets nobody leave without consent or a required value, whether they came or left', async () => {
    const some = [{ email: 'a@x' }, { consent: true }, { email: 'c@x', consent: true }]
    const { before, now } = await people([...some, ...some], [0, 1, 2], [3, 4, 5])
    const query = { version: now, since: before, required: ['email'], consent: 'consent' }
    const refused = ['NO_CONSENT', 'MISSING_REQUIRED_FIELD']
    expect(await shown(query)).toEqual([...refused, 'c@x exited', ...refused, 'c@x realized'])
  })

  it('has one row of a key: nobody has left while another with the same stays', async () => {
    const twins = ['a', 'a', 'b', 'b', 'b'].map((name) => ({ email: `${name}@x`, consent: true }))
    const { before, now } = await people(twins, [0, 1, 2, 3], [1, 4])
    const query = { version: now, since: before, deduplicateBy: ['email'] }
    // The second a@x hid behind the first, and takes its place.
    expect(await shown(query)).toEqual([
      'DUPLICATE',
      'a@x realized',
      'DUPLICATE',
      'DUPLICATE',
      'b@x realized',
    ])
    const gone = await people(twins, [0, 1, 2], [])
    expect(await shown({ ...query, since: gone.before, version: gone.now })).toEqual([
      'a@x exited',
      'DUPLICATE',
      'b@x exited',
    ])
  })

  it('of what was refused has the same status, and looks for duplicates among them alone', async () => {
    const { before, now, ids } = await people(five, [0, 1, 2], [1, 2, 3, 4])
    // b@x is a member of both: its row was sent in the place of another.
    const refusedIn = await refuse([ids[0]!, ids[1]!, ids[4]!])
    const query = { version: now, since: before, refusedIn, deduplicateBy: ['email'] }
    expect(await shown(query)).toEqual(['a@x exited', 'b@x realized', 'e@x realized'])
    expect(await shown({ ...query, paths: ['id', 'email', 'name', 'status'] })).toHaveLength(2)
  })

  it('gives once more what was sent up to a profile, without judging it again', async () => {
    const twins = [...five, { email: 'd@x' }]
    const { before, now, ids } = await people(twins, [0, 1, 2], [1, 3, 4, 5])
    const inRun = await refuse([ids[3]!])
    const sent = { upToProfileId: ids[4]!, inRun }
    const query = { version: now, since: before, deduplicateBy: ['email'], sent }
    expect(await shown(query)).toEqual(['a@x exited', 'c@x exited', 'e@x realized'])
  })
})

describe('an increment on what was sent', () => {
  /** The rows as their receiver keeps them: by key, or by profile where there is none. */
  const receiver = (isKeyed: boolean) => {
    const rows = new Map<unknown, unknown>()
    return {
      rows,
      take(file: Awaited<ReturnType<typeof read>>) {
        for (const row of file) {
          if (!('values' in row)) continue
          const [id, email, , status] = row.values
          const key = isKeyed ? (email ?? id) : id
          if (status === 'exited') expect(rows.delete(key)).toBe(true)
          else rows.set(key, row.values)
        }
      },
    }
  }

  it.each([false, true])('gives exactly the file of all members; by key: %s', async (isKeyed) => {
    const random = randomNumbers(isKeyed ? 7 : 8)
    const them = Array.from({ length: 60 }, (_, index): Person & { id: number } => ({
      id: index,
      ...(random() < 0.9 && { email: `${Math.floor(random() * 25)}@x` }),
      ...(random() < 0.9 && { name: 'N' }),
      consent: random() < 0.8,
    }))
    const groups = Array.from({ length: 60 }, () => {
      const share = random()
      return them.map((_, index) => index).filter(() => random() < share)
    })
    const { versions } = await people(them, ...groups)
    const query = {
      required: ['name'],
      consent: 'consent',
      ...(isKeyed && { deduplicateBy: ['email'] }),
    }
    const kept = receiver(isKeyed)
    kept.take(await read({ ...query, version: versions[0]! }, 7))
    for (const [index, version] of versions.entries()) {
      if (index === 0) continue
      kept.take(await read({ ...query, version, since: versions[index - 1]! }, 7))
      const whole = receiver(isKeyed)
      whole.take(await read({ ...query, version }, 100))
      expect(sorted(kept.rows)).toEqual(sorted(whole.rows))
    }
  })
})

const sorted = (rows: Map<unknown, unknown>) => [...rows].map((row) => JSON.stringify(row)).sort()
