import fs from 'node:fs'

/** Collects refused rows in `FILE.rejected.ndjson`, which comes to be with the first of them. */
export function rejectedFile(beside: string) {
  const file = `${beside}.rejected.ndjson`
  let handle: number | null = null
  let isUsed = false
  return {
    add(row: object): void {
      handle ??= fs.openSync(file, 'w', 0o600)
      fs.writeSync(handle, `${JSON.stringify(row)}\n`)
      isUsed = true
    },
    /** The file, or null when nothing was refused. */
    file: () => (isUsed ? file : null),
    close(): void {
      if (handle !== null) fs.closeSync(handle)
      handle = null
    },
  }
}
