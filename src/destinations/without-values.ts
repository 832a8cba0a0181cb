/**
 * What a destination says, without the values that it was sent and repeats. Short ones are in every sentence, and tell
 * nothing.
 */
export function withoutValues(words: string, values: readonly unknown[]): string {
  const found = values.map(String).filter((value) => value.length > 3 && words.includes(value))
  return found
    .sort((a, b) => b.length - a.length)
    .reduce((rest, value) => rest.replaceAll(value, '[value]'), words)
}
