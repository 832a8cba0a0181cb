import fs from 'node:fs'

/**
 * Collects refused rows in `FILE.rejected.ndjson`, which comes to be with the first of them. Where it cannot be
 * written, `onFailure` is told once and the import goes on: bad rows never stop the others.
 */
export function rejectedFile(beside: string, onFailure: (file: string, reason: string) => void) {
  const file = `${beside}.rejected.ndjson`
  let handle: number | null = null
  let isUsed = false
  let isLost = false
  return {
    add(row: object): void {
      if (isLost) return
      try {
        handle ??= fs.openSync(file, 'w', 0o600)
        fs.writeSync(handle, `${JSON.stringify(row)}\n`)
        isUsed = true
      } catch (error) {
        isLost = true
        onFailure(file, error instanceof Error ? error.message : String(error))
      }
    },
    /** The file, or null when nothing was refused. */
    file: () => (isUsed ? file : null),
    close(): void {
      if (handle !== null) fs.closeSync(handle)
      handle = null
    },
  }
}
