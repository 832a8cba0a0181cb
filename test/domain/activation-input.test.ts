import { describe, expect, it } from 'vitest'
import { type ActivationRequest, canonicalRequest, readRequest } from '../../src/domain/activation.ts'
import { isBeyondReason, requestViolations } from '../../src/domain/activation-input.ts'

const limits = { maxSegmentsPerActivation: 80 }
const request = (...activations: [string, string[]][]) =>
  readRequest({ activations: activations.map(([dataflowId, segmentIds]) => ({ dataflowId, segmentIds })) })
const ids = (count: number, prefix = 'seg_') => Array.from({ length: count }, (_, i) => `${prefix}${i}`)
const violations = (given: ActivationRequest) => requestViolations(given, limits)
const shapes = (found: ReturnType<typeof violations>) => found.map(({ code, path }) => [code, path.join('.')])

describe('the input', () => {
  it('counts distinct segments over the whole call: 80 pass, 81 do not', () => {
    expect(violations(request(['flow_1', ids(80)], ['flow_1', ids(80)]))).toEqual([])
    expect(violations(request(['flow_1', ids(40)], ['flow_2', ids(41, 'x_')]))).toEqual([
      {
        code: 'TOO_MANY_SEGMENTS',
        limit: 80,
        requested: 81,
        path: ['input', 'activations'],
        message: expect.stringContaining('Split it'),
      },
    ])
  })

  it('refuses empty lists at their places', () => {
    expect(shapes(violations(request()))).toEqual([['INVALID_INPUT', 'input.activations']])
    expect(shapes(violations(request(['flow_1', ['seg_1']], ['flow_1', []])))).toEqual([
      ['INVALID_INPUT', 'input.activations.1.segmentIds'],
    ])
  })

  it('merges a dataflow that is listed twice, and keeps where each segment was named first', () => {
    const merged = request(['flow_1', ['a', 'a', 'b']], ['flow_1', ['b', 'c']])
    expect(merged.dataflows).toHaveLength(1)
    expect(merged.orders.map(({ segmentId, path }) => [segmentId, path.slice(2).join('.')])).toEqual([
      ['a', '0.segmentIds.0'],
      ['b', '0.segmentIds.2'],
      ['c', '1.segmentIds.1'],
    ])
  })

  it('refuses a segment for two dataflows at the second', () => {
    const found = violations(request(['flow_1', ['seg_1']], ['flow_2', ['seg_0', 'seg_1']]))
    expect(shapes(found)).toEqual([['INVALID_INPUT', 'input.activations.1.segmentIds.1']])
    expect(found[0]?.message).toContain('send it in a second call')
  })

  const beyond: [string, ActivationRequest][] = [
    ['nothing', request()],
    ['empty lists', request(['flow_1', []])],
    ['1,001 segments', request(['flow_1', ids(1001)])],
    ['251 dataflows', request(...ids(251).map((id): [string, string[]] => [id, ['a']]))],
    ['one segment 10,001 times', request(['flow_1', Array(10_001).fill('a')])],
  ]
  it.each(beyond)('refuses %s without looking further, and says why', (_, given) => {
    expect(isBeyondReason(given, limits)).toBe(true)
    expect(violations(given)).not.toEqual([])
  })

  it('looks further as long as the limit allows', () => {
    expect(isBeyondReason(request(['flow_1', ids(1000)]), limits)).toBe(false)
    expect(isBeyondReason(request(['flow_1', ids(2000)]), { maxSegmentsPerActivation: 2000 })).toBe(false)
  })

  it('is the same request in any order and however often something is named', () => {
    const one = request(['flow_1', ['a', 'b']], ['flow_2', ['c']])
    const same = request(['flow_2', ['c', 'c']], ['flow_1', ['b']], ['flow_1', ['a', 'b']])
    expect(canonicalRequest(same)).toBe(canonicalRequest(one))
    expect(canonicalRequest(request(['flow_1', ['a', 'b', 'c']]))).not.toBe(canonicalRequest(one))
  })
})
