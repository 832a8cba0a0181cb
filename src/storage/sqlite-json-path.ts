/** `a.b` as SQLite's JSON path, every step quoted. */
export function sqliteJsonPath(path: string): string {
  return `$${path
    .split('.')
    .map((step) => `.${JSON.stringify(step)}`)
    .join('')}`
}
