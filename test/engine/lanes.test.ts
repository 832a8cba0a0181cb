import { describe, expect, it } from 'vitest'
import { lanes } from '../../src/engine/lanes.ts'

function aTime() {
  let now = 0
  const pass = (ms: number) => {
    now += ms
  }
  return { now: () => now, sleep: async () => {}, pass }
}
const always = () => 1
const times = (count: number, work: () => void) => Array.from({ length: count }).forEach(work)

describe('lanes', () => {
  it('takes as many runs of a destination as its limit, and as many of every other', () => {
    const all = lanes(aTime(), always)
    const leave = all.enter('one', 2)
    expect(all.closed()).toEqual([])
    all.enter('one', 2)
    all.enter('two', 1)
    expect(all.closed()).toEqual(['one', 'two'])
    leave()
    expect(all.closed()).toEqual(['two'])
  })

  it('leaves a destination alone after five failures in a row, for longer and longer, up to ten minutes', () => {
    const time = aTime()
    const all = lanes(time, always)
    times(4, () => all.failed('one'))
    expect(all.closed()).toEqual([])
    for (const seconds of [15, 30, 60, 120, 240, 480, 600, 600]) {
      all.failed('one')
      time.pass(seconds * 1_000 - 1)
      expect(all.closed()).toEqual(['one'])
      time.pass(1)
      expect(all.closed()).toEqual([])
    }
  })

  it('then lets one run try, and all when it is answered', () => {
    const time = aTime()
    const all = lanes(time, always)
    times(5, () => all.failed('one'))
    time.pass(15_000)
    const leave = all.enter('one', 5)
    expect(all.closed()).toEqual(['one'])
    all.answered('one')
    expect(all.closed()).toEqual([])
    leave()
    all.failed('one')
    expect(all.closed()).toEqual([])
  })

  it('comes back at different moments', () => {
    const time = aTime()
    const all = lanes(time, () => 0)
    times(5, () => all.failed('one'))
    time.pass(7_500)
    expect(all.closed()).toEqual([])
  })
})
