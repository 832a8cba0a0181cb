export interface Latencies {
  p50: number
  p99: number
  count: number
}

/** One client that asks, waits for the answer, and asks again after a short pause: milliseconds per answer. */
export async function latencies(options: {
  url: string
  token: string
  query: string
  until: () => boolean
}): Promise<Latencies> {
  const times: number[] = []
  while (!options.until()) {
    const began = performance.now()
    const response = await fetch(`${options.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${options.token}` },
      body: JSON.stringify({ query: options.query }),
    })
    await response.arrayBuffer()
    times.push(performance.now() - began)
    await new Promise((resolve) => setTimeout(resolve, 3))
  }
  times.sort((a, b) => a - b)
  const at = (share: number) =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99), count: times.length }
}
