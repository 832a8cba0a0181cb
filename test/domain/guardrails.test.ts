import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type ActivationFacts,
  type DataflowFacts,
  type MappingFacts,
  pairKey,
  readRequest,
  type SegmentFacts,
} from '../../src/domain/activation.ts'
import { retryViolations, violations } from '../../src/domain/guardrails.ts'

const NOW = new Date('2026-11-22T09:30:00.000Z')
const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1000)
const SEGMENT_PATH = ['input', 'activations', '0', 'segmentIds', '0']
const DATAFLOW_PATH = ['input', 'activations', '0', 'dataflowId']

const dataflow: DataflowFacts = {
  name: 'Newsletter',
  state: 'ENABLED',
  destination: {
    name: 'Bucket',
    type: 'S3',
    status: 'ENABLED',
    driver: { allowsAdHoc: true, needsAccount: true },
    account: { name: 'Ops', status: 'CONNECTED', consentAt: NOW },
    misfit: null,
  },
}
const segment: SegmentFacts = { name: 'Buyers', status: 'ACTIVE', snapshot: {} }
const mapping: MappingFacts = {
  elementStatus: 'ACTIVE',
  schedule: {
    frequency: 'DAILY',
    trigger: 'SCHEDULED',
    startDate: '2026-11-01',
    endDate: null,
    startTime: '00:00',
  },
  adHocAllowedFrom: NOW,
}
const run = { id: 'run_1', dataflowId: 'flow_9', segmentId: 'seg_1' }

/** One segment through one dataflow, allowed in every respect but those overridden. */
function facts(
  changes: {
    dataflow?: Partial<DataflowFacts>
    destination?: Partial<DataflowFacts['destination']>
    segment?: Partial<SegmentFacts>
    mapping?: Partial<MappingFacts> | null
  } & Partial<Omit<ActivationFacts, 'dataflow' | 'segment' | 'mapping'>> = {},
): ActivationFacts {
  const { dataflow: flow, destination, segment: seg, mapping: map, ...rest } = changes
  const changed = { ...dataflow, ...flow, destination: { ...dataflow.destination, ...destination } }
  return {
    request: readRequest({ activations: [{ dataflowId: 'flow_1', segmentIds: ['seg_1'] }] }),
    dataflows: new Map([['flow_1', changed]]),
    segments: new Map([['seg_1', { ...segment, ...seg }]]),
    mappings: new Map(map === null ? [] : [[pairKey('flow_1', 'seg_1'), { ...mapping, ...map }]]),
    adHocRuns: new Map(),
    scheduledRuns: new Map(),
    unfilled: new Map(),
    now: NOW,
    limits: { maxSegmentsPerActivation: 80 },
    ...rest,
  }
}
const request = (...activations: [string, string[]][]) =>
  readRequest({ activations: activations.map(([dataflowId, segmentIds]) => ({ dataflowId, segmentIds })) })
const only = (given: ActivationFacts) => {
  const found = violations(given)
  expect(found).toHaveLength(1)
  return found[0]
}

describe('each guardrail', () => {
  it('lets a mapped segment pass', () => expect(violations(facts())).toEqual([]))

  it('refuses a disabled dataflow, saying what to do', () => {
    expect(only(facts({ dataflow: { state: 'DISABLED' } }))).toEqual({
      code: 'DATAFLOW_DISABLED',
      path: DATAFLOW_PATH,
      message: 'Dataflow "Newsletter" is disabled. Enable it, then try again.',
    })
  })

  it.each(['DISABLED', 'REMOVED'] as const)('refuses a destination that is %s', (status) => {
    expect(only(facts({ destination: { status } }))?.code).toBe('DESTINATION_DISABLED')
  })

  it.each([null, { allowsAdHoc: false, needsAccount: false }])('refuses a driver like %o', (driver) => {
    const found = only(facts({ destination: { driver } }))
    expect(found).toMatchObject({ code: 'NOT_BATCH_DESTINATION', path: DATAFLOW_PATH })
  })

  it.each(['UNVERIFIED', 'FAILED', 'REMOVED'] as const)('refuses an account that is %s', (status) => {
    const found = only(facts({ destination: { account: { name: 'Ops', status, consentAt: NOW } } }))
    expect(found?.code).toBe('ACCOUNT_NOT_CONNECTED')
    expect(found?.message).toContain(status)
  })

  it('refuses a destination without the account it needs, and asks no account of others', () => {
    expect(only(facts({ destination: { account: null } }))?.code).toBe('ACCOUNT_NOT_CONNECTED')
    const driver = { allowsAdHoc: true, needsAccount: false }
    expect(violations(facts({ destination: { account: null, driver } }))).toEqual([])
  })

  it('refuses settings that do not fit the account, in the words of the driver', () => {
    expect(only(facts({ destination: { misfit: 'There is no list 7.' } }))).toEqual({
      code: 'INVALID_INPUT',
      path: DATAFLOW_PATH,
      message: 'Destination "Bucket" cannot be sent to. There is no list 7.',
    })
  })

  it('refuses an account that nobody agreed to send personal data through', () => {
    const account = { name: 'Ops', status: 'CONNECTED', consentAt: null } as const
    expect(only(facts({ destination: { account } }))?.code).toBe('CONSENT_MISSING')
  })

  it.each([
    ['missing', { mapping: null }],
    ['inactive', { mapping: { elementStatus: 'INACTIVE' } }],
    ['deleted', { mapping: { elementStatus: 'DELETED' } }],
    ['of a deleted segment', { segment: { status: 'DELETED' } }],
  ] as const)('refuses a mapping that is %s, in the documented words', (_, changes) => {
    expect(only(facts(changes))).toEqual({
      code: 'SEGMENT_NOT_MAPPED',
      message: 'Segment Buyers is not part of this dataflow or out of schedule range!',
      path: SEGMENT_PATH,
      segmentId: 'seg_1',
      dataflowId: 'flow_1',
    })
  })

  it.each([
    ['2026-11-23', null],
    ['2026-11-01', '2026-11-22'],
  ])('refuses a schedule from %s to %s, whose end is exclusive', (startDate, endDate) => {
    expect(only(facts({ mapping: { schedule: { ...mapping.schedule, startDate, endDate } } }))).toEqual({
      code: 'OUTSIDE_SCHEDULE',
      message: 'Segment Buyers is not part of this dataflow or out of schedule range!',
      path: SEGMENT_PATH,
      segmentId: 'seg_1',
      dataflowId: 'flow_1',
    })
  })

  it('refuses before the wait is over, and not at its last millisecond', () => {
    expect(only(facts({ mapping: { adHocAllowedFrom: later(0.001) } }))).toMatchObject({
      code: 'TOO_SOON',
      path: SEGMENT_PATH,
      allowedFrom: later(0.001),
      message: expect.stringContaining('2026-11-22T09:30:00.001Z'),
    })
    expect(violations(facts({ mapping: { adHocAllowedFrom: NOW } }))).toEqual([])
  })

  it('refuses a segment without a snapshot, and one that is a draft or inactive', () => {
    expect(only(facts({ segment: { snapshot: null } }))?.code).toBe('NO_SNAPSHOT')
    expect(only(facts({ segment: { status: 'DRAFT' } }))?.code).toBe('INVALID_INPUT')
    expect(only(facts({ segment: { status: 'INACTIVE' } }))?.code).toBe('INVALID_INPUT')
  })

  it('names the run that is going on, in the documented words, with the dataflow of that run', () => {
    expect(only(facts({ adHocRuns: new Map([['seg_1', run]]) }))).toEqual({
      code: 'RUN_IN_PROGRESS',
      message: 'Run already going on for segment seg_1 for order flow_9 with run id run_1',
      path: SEGMENT_PATH,
      runId: 'run_1',
    })
  })

  it('refuses to run beside a scheduled run of the dataflow', () => {
    const scheduledRuns = new Map([['flow_1', run]])
    expect(only(facts({ scheduledRuns }))).toMatchObject({
      code: 'SCHEDULED_RUN_IN_PROGRESS',
      path: DATAFLOW_PATH,
      runId: 'run_1',
    })
  })

  it('names the field that a destination requires and nobody would fill', () => {
    const unfilled = new Map([[pairKey('flow_1', 'seg_1'), { target: 'email', source: 'contact.mail' }]])
    expect(only(facts({ unfilled }))).toEqual({
      code: 'INVALID_INPUT',
      message:
        'The destination needs the field email, and no profile of segment "Buyers" has the attribute contact.mail that is mapped to it. Map another attribute, or use another segment.',
      path: SEGMENT_PATH,
    })
    expect(retryViolations(facts({ unfilled }))).toEqual([])
  })

  it('answers unknown ids with the words for what does not exist', () => {
    const found = violations(facts({ dataflows: new Map(), segments: new Map() }))
    expect(found).toEqual([
      { code: 'NOT_FOUND', path: DATAFLOW_PATH, message: 'There is no dataflow with id "flow_1".' },
      { code: 'NOT_FOUND', path: SEGMENT_PATH, message: 'There is no segment with id "seg_1".' },
    ])
  })
})

describe('all together', () => {
  const broken = facts({
    request: request(['flow_1', ['seg_1', 'seg_2']], ['flow_2', []]),
    limits: { maxSegmentsPerActivation: 1 },
    dataflow: { state: 'DISABLED' },
    destination: {
      status: 'DISABLED',
      driver: { allowsAdHoc: false, needsAccount: true },
      account: { name: 'Ops', status: 'FAILED', consentAt: null },
    },
    segment: { snapshot: null, status: 'INACTIVE' },
    mapping: {
      schedule: { ...mapping.schedule, endDate: '2026-11-22' },
      adHocAllowedFrom: later(1200),
    },
    adHocRuns: new Map([['seg_1', run]]),
    scheduledRuns: new Map([['flow_1', run]]),
  })

  it('reports every violation at once', () => {
    expect(violations(broken).map(({ code }) => code)).toEqual([
      'INVALID_INPUT',
      'TOO_MANY_SEGMENTS',
      'NOT_FOUND',
      'NOT_FOUND',
      'DATAFLOW_DISABLED',
      'NOT_BATCH_DESTINATION',
      'DESTINATION_DISABLED',
      'ACCOUNT_NOT_CONNECTED',
      'CONSENT_MISSING',
      'OUTSIDE_SCHEDULE',
      'TOO_SOON',
      'INVALID_INPUT',
      'NO_SNAPSHOT',
      'RUN_IN_PROGRESS',
      'SCHEDULED_RUN_IN_PROGRESS',
    ])
  })

  it('does not ask a retry again for the wait, the schedule and the latest snapshot', () => {
    const codes = retryViolations(broken).map(({ code }) => code)
    expect(codes).toContain('DATAFLOW_DISABLED')
    expect(codes).toContain('RUN_IN_PROGRESS')
    for (const code of ['TOO_SOON', 'OUTSIDE_SCHEDULE', 'NO_SNAPSHOT', 'TOO_MANY_SEGMENTS']) {
      expect(codes).not.toContain(code)
    }
  })
})

describe('any facts', () => {
  const id = fc.oneof(fc.constantFrom('a', 'b', 'c', '__proto__', ''), fc.string({ unit: 'binary' }))
  const moment = fc.date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-12-31') })
  const day = fc.constantFrom('2026-11-21', '2026-11-22', '2026-11-23')
  const dataflowFacts: fc.Arbitrary<DataflowFacts> = fc.record({
    name: fc.string(),
    state: fc.constantFrom('ENABLED', 'DISABLED'),
    destination: fc.record({
      name: fc.string(),
      type: fc.string(),
      status: fc.constantFrom('ENABLED', 'DISABLED', 'REMOVED'),
      driver: fc.option(fc.record({ allowsAdHoc: fc.boolean(), needsAccount: fc.boolean() })),
      account: fc.option(
        fc.record({
          name: fc.string(),
          status: fc.constantFrom('UNVERIFIED', 'CONNECTED', 'FAILED', 'REMOVED'),
          consentAt: fc.option(moment),
        }),
      ),
      misfit: fc.option(fc.string()),
    }),
  })
  const segmentFacts: fc.Arbitrary<SegmentFacts> = fc.record({
    name: fc.string(),
    status: fc.constantFrom('DRAFT', 'ACTIVE', 'INACTIVE', 'DELETED'),
    snapshot: fc.option(fc.constant({})),
  })
  const mappingFacts: fc.Arbitrary<MappingFacts> = fc.record({
    elementStatus: fc.constantFrom('ACTIVE', 'INACTIVE', 'DELETED'),
    schedule: fc.record({
      frequency: fc.constantFrom('DAILY', 'ONCE'),
      trigger: fc.constant('SCHEDULED'),
      startDate: day,
      endDate: fc.option(day),
      startTime: fc.constant(null),
    }),
    adHocAllowedFrom: moment,
  })
  const runFacts = fc.record({ id, dataflowId: id, segmentId: id })
  const mapOf = <T>(value: fc.Arbitrary<T>) => fc.array(fc.tuple(id, value)).map((all) => new Map(all))
  const anyFacts: fc.Arbitrary<ActivationFacts> = fc.record({
    request: fc
      .array(fc.record({ dataflowId: id, segmentIds: fc.array(id) }), { maxLength: 5 })
      .map((activations) => readRequest({ activations })),
    dataflows: mapOf(dataflowFacts),
    segments: mapOf(segmentFacts),
    mappings: fc
      .array(fc.tuple(id, id, mappingFacts))
      .map((all) => new Map(all.map(([a, b, value]) => [pairKey(a, b), value]))),
    adHocRuns: mapOf(runFacts),
    scheduledRuns: mapOf(runFacts),
    unfilled: fc
      .array(fc.tuple(id, id, fc.record({ target: fc.string(), source: fc.string() })))
      .map((all) => new Map(all.map(([a, b, field]) => [pairKey(a, b), field]))),
    now: moment,
    limits: fc.record({ maxSegmentsPerActivation: fc.nat(100) }),
  })

  it('never throws, gives every violation a sentence and a path into the input, and the same answer twice', () => {
    fc.assert(
      fc.property(anyFacts, (given) => {
        const found = violations(given)
        for (const { message, path } of found) {
          expect(message).not.toBe('')
          expect(path.slice(0, 2)).toEqual(['input', 'activations'])
        }
        expect(violations(given)).toEqual(found)
      }),
    )
  })
})
