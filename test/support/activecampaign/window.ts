/** At most so many in any stretch of that length, wherever it begins. */
export function slidingWindow(limit: number, ms: number) {
  const taken: number[] = []
  return {
    limit,
    /** How many milliseconds it is until there is room. */
    waitMs(now: number): number {
      while (taken[0] !== undefined && taken[0] <= now - ms) taken.shift()
      const [oldest] = taken
      return oldest !== undefined && taken.length >= limit ? oldest + ms - now : 0
    },
    take(now: number): void {
      taken.push(now)
    },
    remaining: () => limit - taken.length,
  }
}
