import { apiOf, createDataflow, createDestination, createSegment, evaluate } from '../../support/http-api.ts'

export const GROUPS = 40
const PROFILES = 12_000
const ROWS_PER_FILE = 250

export interface ClusterScene {
  /** What there is to activate: one segment each. */
  targets: { dataflowId: string; segmentId: string }[]
  expected: Map<string, { exported: number; excluded: number; emails: Set<string> }>
}

/** Profiles in groups, a segment of each, and two dataflows into one folder: one in parts, one compressed. */
export async function buildScene(url: string, token: string): Promise<ClusterScene> {
  const api = apiOf(url, token)
  const people = Array.from({ length: PROFILES }, (_, n) => person(n + 1))
  const imported = await fetch(`${url}/import?key=id`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
    body: people.map((one) => `${JSON.stringify(one)}\n`).join(''),
  })
  if (!imported.ok) throw new Error(await imported.text())
  const segmentIds: string[] = []
  for (let group = 0; group < GROUPS; group += 1) {
    const rule = { attribute: { path: 'group', operator: 'EQUALS', value: group } }
    segmentIds.push(await createSegment(api, `Group ${group}`, rule))
  }
  await evaluate(api, segmentIds)
  const folder = { name: 'Disk', type: 'LOCAL_DIRECTORY', settings: { path: 'out' } }
  const destinationId = await createDestination(api, folder)
  const fields = [
    { source: 'email', target: 'email', required: true },
    { source: 'name', target: 'name' },
  ]
  const flow = (name: string, fileFormat: object, ids: string[]) =>
    createDataflow(api, { name, destinationId, fields, fileFormat, segmentIds: ids })
  const half = GROUPS / 2
  const parts = await flow('In parts', { maxRowsPerFile: ROWS_PER_FILE }, segmentIds.slice(0, half))
  const zipped = await flow('Compressed', { compression: 'GZIP' }, segmentIds.slice(half))
  return {
    targets: segmentIds.map((segmentId, n) => ({ segmentId, dataflowId: n < half ? parts : zipped })),
    expected: new Map(segmentIds.map((id, group) => [id, expectation(people, group)])),
  }
}

function person(n: number) {
  return {
    id: n,
    name: `Name, ${n}`,
    group: n % GROUPS,
    ...(n % 7 === 0 ? {} : { email: `p${n}@example.com` }),
  }
}

function expectation(people: ReturnType<typeof person>[], of: number) {
  const members = people.filter(({ group }) => group === of)
  const emails = new Set(members.flatMap(({ email }) => email ?? []))
  return { exported: emails.size, excluded: members.length - emails.size, emails }
}
