import { is, Param, Placeholder } from 'drizzle-orm'

type Values = Readonly<Record<string, unknown>>

/** Makes the function that puts values in place of a compiled query's placeholders, in the order of its parameters. */
export function filler(params: readonly unknown[]): (values: Values) => unknown[] {
  const fills = params.map((param): ((values: Values) => unknown) => {
    if (is(param, Placeholder)) return (values) => values[param.name]
    if (is(param, Param) && is(param.value, Placeholder)) {
      const { encoder, value } = param
      const { name } = value
      return (values) => encoder.mapToDriverValue(values[name])
    }
    return () => param
  })
  return (values) => fills.map((fill) => fill(values))
}
