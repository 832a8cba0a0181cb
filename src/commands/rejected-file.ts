import fs from 'node:fs'

/** Collects refused rows in `FILE.rejected.ndjson`, which comes to be with the first of them. */
export function rejectedFile(beside: string) {
  const file = `${beside}.rejected.ndjson`
  let handle: number | null = null
  let isUsed = false
  return {
    add(row: object): void {
      if (handle === null) {
        handle = fs.openSync(file, isUsed ? 'a' : 'w', 0o600)
        isUsed = true
      }
      fs.writeSync(handle, `${JSON.stringify(row)}\n`)
    },
    /** @returns the file, or null when nothing was refused */
    close(): string | null {
      if (handle !== null) fs.closeSync(handle)
      handle = null
      return isUsed ? file : null
    },
  }
}
