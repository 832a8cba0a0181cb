// A histogram in the text format of Prometheus, from counts that are kept elsewhere: the client library only knows those
// that it counts itself, from the start of the process on.
export interface Series {
  labels: Readonly<Record<string, string>>
  /** How many fell into each bucket; one more than there are bounds, for what is above the last. */
  counts: readonly number[]
  sum: number
}

export function histogramText(options: {
  name: string
  help: string
  bounds: readonly number[]
  series: readonly Series[]
}): string {
  const { name, help, bounds, series } = options
  const lines = series.flatMap(({ labels, counts, sum }) => {
    let count = 0
    const buckets = [...bounds, '+Inf'].map((le, index) => {
      count += counts[index] ?? 0
      return `${name}_bucket${labelText({ ...labels, le: String(le) })} ${count}`
    })
    return [
      ...buckets,
      `${name}_sum${labelText(labels)} ${sum}`,
      `${name}_count${labelText(labels)} ${count}`,
    ]
  })
  return [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`, ...lines, ''].join('\n')
}

/** Values are names of sandboxes, routes and states: none has a sign that would have to be escaped. */
function labelText(labels: Readonly<Record<string, string>>): string {
  const parts = Object.entries(labels).map(([label, value]) => `${label}=${JSON.stringify(value)}`)
  return `{${parts.join(',')}}`
}
