import type { PartWriter } from '../driver.ts'
import { REQUEST_BYTES, type RemoteFiles } from './remote-files.ts'

/** What may be on its way without an answer: as much as OpenSSH lets in, so that a far server is kept busy. */
const IN_FLIGHT_BYTES = 2 * 1024 * 1024

/** Writes a file without waiting for the answer to each request. */
export async function partWriter(files: RemoteFiles, file: string): Promise<PartWriter> {
  const handle = await files.create(file)
  let position = 0
  let inFlight = 0
  let failure: { error: unknown } | null = null
  let wake = () => {}

  const send = (piece: Buffer) => {
    const answered = files.write(handle, piece, position).catch((error) => {
      failure ??= { error }
    })
    position += piece.length
    inFlight += piece.length
    answered.then(() => {
      inFlight -= piece.length
      wake()
    })
  }
  const untilInFlight = async (bytes: number) => {
    while (inFlight > bytes && !failure) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    if (failure) throw failure.error
  }

  return {
    async write(chunk) {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
      for (let done = 0; done < bytes.length; done += REQUEST_BYTES) {
        await untilInFlight(IN_FLIGHT_BYTES - REQUEST_BYTES)
        send(Buffer.from(bytes.subarray(done, done + REQUEST_BYTES))) // a copy: the chunk is gone before the answer
      }
    },
    async finish() {
      await untilInFlight(0)
      await files.flush(handle)
      await files.close(handle)
      return null
    },
    async abort() {
      await files.close(handle).catch(() => {})
      // Over a connection that is gone it stays, and the next attempt discards it.
      await files.remove(file).catch(() => {})
    },
  }
}
