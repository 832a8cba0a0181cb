import fs from 'node:fs'

/** Collects refused rows in `FILE.rejected.ndjson`, which comes to be with the first of them. */
export function rejectedFile(beside: string) {
  const file = `${beside}.rejected.ndjson`
  let handle: number | null = null
  let rows = 0
  return {
    add(row: object): void {
      handle ??= fs.openSync(file, 'w', 0o600)
      fs.writeSync(handle, `${JSON.stringify(row)}\n`)
      rows += 1
    },
    count: () => rows,
    /** The file, or null when nothing was refused. */
    file: () => (rows > 0 ? file : null),
    close(): void {
      if (handle !== null) fs.closeSync(handle)
      handle = null
    },
  }
}
