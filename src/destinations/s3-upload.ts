// A part as a multipart upload: its bytes are safe with the store before it is completed, and nobody sees them until
// then. Memory does not depend on the part's size: what is full is sent, and writing waits while enough is on its way.
import { createHash, type Hash } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import type { FinishedPart } from '../domain/model.ts'
import type { PartWriter } from './driver.ts'
import { cannotAsk, isRefused, request } from './s3-errors.ts'
import { MARKS_AFTER, marksOf } from './s3-marks.ts'

/** What is kept of a finished upload, to complete it. */
export interface UploadReceipt {
  key: string
  uploadId: string
  bytes: number
  /** Of the pieces, from number 1 on. */
  etags: string[]
  /** SHA-256 of each piece in base64, where the store keeps them. */
  sha256s: string[] | null
}

export function receiptOf(part: FinishedPart): UploadReceipt | null {
  return (part.receipt as UploadReceipt | undefined) ?? null // ours: the gateway keeps what `finish` gave
}

export interface UploadContext {
  client: S3Client
  Bucket: string
  Key: string
  /** Metadata and encryption of the object to come. */
  create: Partial<CreateMultipartUploadCommandInput>
  isChecked: boolean
  runId: string
  fence: number
  signal: AbortSignal
}

const MIB = 1024 * 1024
const PIECE_BYTES = 8 * MIB
const EQUAL_PIECES = 2_000
const DOUBLED_EVERY = 700
/** On their way at a time, of the first size; larger ones alone. */
const IN_FLIGHT_BYTES = 3 * PIECE_BYTES
/** For what has to be tidied up after the run's own signal has gone off. */
const TIDY_MS = 30_000

/**
 * How large piece `number` is. Stores take at least 5 MiB, and some want all pieces to be equal: up to 16 GiB they are.
 * Then they grow, so that 9,900 are enough for 5 TiB.
 */
export function pieceBytes(number: number): number {
  return PIECE_BYTES * 2 ** Math.max(0, Math.ceil((number - EQUAL_PIECES) / DOUBLED_EVERY))
}

/** Starts an upload under this claim's marks. @throws DeliveryError */
export async function openUpload(context: UploadContext, sizeOf = pieceBytes): Promise<PartWriter> {
  const { client, Bucket, Key, signal } = context
  const command = new CreateMultipartUploadCommand({
    Bucket,
    Key,
    ...context.create,
    ...(context.isChecked && { ChecksumAlgorithm: 'SHA256' }),
  })
  const { UploadId } = await request(() => client.send(command, { abortSignal: signal }), signal)
  if (!UploadId) throw new Error('the store gave an upload no id')
  const sender = pieceSender(context, UploadId)
  try {
    await sender.mark(MARKS_AFTER.most)
  } catch (error) {
    await abortUpload(client, { Bucket, Key, UploadId }).catch(() => {})
    throw error
  }
  return uploadWriter(context, UploadId, { sender, sizeOf })
}

/** Resolves when the upload is gone, also when it was before. @throws DeliveryError */
export async function abortUpload(
  client: S3Client,
  upload: { Bucket: string; Key: string; UploadId: string },
): Promise<void> {
  const signal = AbortSignal.timeout(TIDY_MS)
  const command = new AbortMultipartUploadCommand(upload)
  await request(() => client.send(command, { abortSignal: signal }), signal).catch((error) => {
    if (!isRefused(error, 'NoSuchUpload')) throw error
  })
}

function uploadWriter(
  { client, Bucket, Key, isChecked }: UploadContext,
  UploadId: string,
  { sender, sizeOf }: { sender: PieceSender; sizeOf(number: number): number },
): PartWriter {
  const receipt: UploadReceipt = {
    key: Key,
    uploadId: UploadId,
    bytes: 0,
    etags: [],
    sha256s: isChecked ? [] : null,
  }
  const free: Buffer[] = []
  const onTheWay = new Set<Promise<void>>()
  let failure: { error: unknown } | null = null
  let started = 0
  let piece: { buffer: Buffer; used: number; hash: Hash } | null = null

  const takeBuffer = (size: number): Buffer => {
    const spare = free.pop()
    return spare && spare.length === size ? spare : Buffer.allocUnsafeSlow(size)
  }
  const send = async ({ buffer, used, hash }: NonNullable<typeof piece>) => {
    if (started === MARKS_AFTER.most) await sender.mark(MARKS_AFTER.large)
    started += 1
    const number = started
    const sending = sender
      .send(number, buffer.subarray(0, used), hash.digest())
      .then(({ etag, sha256 }) => {
        receipt.etags[number - 1] = etag
        if (receipt.sha256s) receipt.sha256s[number - 1] = sha256
        free.push(buffer)
      })
      .catch((error: unknown) => {
        failure ??= { error }
      })
      .finally(() => onTheWay.delete(sending))
    onTheWay.add(sending)
    const most = Math.max(1, Math.floor(IN_FLIGHT_BYTES / buffer.length))
    while (onTheWay.size >= most) await Promise.race(onTheWay)
    if (failure) throw failure.error
  }
  return {
    async write(chunk) {
      for (let done = 0; done < chunk.length; ) {
        piece ??= { buffer: takeBuffer(sizeOf(started + 1)), used: 0, hash: createHash('sha256') }
        const slice = chunk.subarray(done, done + piece.buffer.length - piece.used)
        piece.buffer.set(slice, piece.used)
        piece.hash.update(slice)
        piece.used += slice.length
        done += slice.length
        receipt.bytes += slice.length
        if (piece.used < piece.buffer.length) continue
        const full = piece
        piece = null
        await send(full)
      }
      if (failure) throw failure.error
    },
    async finish() {
      // An upload has a piece, if an empty one.
      if (piece ?? started === 0) {
        await send(piece ?? { buffer: Buffer.alloc(0), used: 0, hash: createHash('sha256') })
      }
      await Promise.all(onTheWay)
      if (failure) throw failure.error
      return { ...receipt }
    },
    async abort() {
      sender.stop()
      await Promise.all(onTheWay)
      // Where it cannot or may not be aborted, `discard` tells so.
      await abortUpload(client, { Bucket, Key, UploadId }).catch((error) => {
        if (!cannotAsk(error)) throw error
      })
    },
  }
}

type PieceSender = ReturnType<typeof pieceSender>

function pieceSender(context: UploadContext, UploadId: string) {
  const { client, Bucket, Key, isChecked, signal, runId, fence } = context
  const stopped = new AbortController()
  const either = AbortSignal.any([signal, stopped.signal])
  const send = async (PartNumber: number, Body: Buffer, hash: Buffer) => {
    const sha256 = hash.toString('base64')
    const command = new UploadPartCommand({
      Bucket,
      Key,
      UploadId,
      PartNumber,
      Body,
      ContentLength: Body.length,
      ...(isChecked && { ChecksumSHA256: sha256 }),
    })
    // The hash that is signed is the one that was made while the bytes came, not a second one of the whole piece.
    command.middlewareStack.add(
      (next) => (args) => {
        const { headers } = args.request as { headers: Record<string, string> }
        headers['x-amz-content-sha256'] = hash.toString('hex')
        return next(args)
      },
      { step: 'build', name: 'knownHash' },
    )
    const { ETag } = await request(() => client.send(command, { abortSignal: either }), either)
    if (!ETag) throw new Error('the store gave a piece no ETag')
    return { etag: ETag, sha256 }
  }
  return {
    send,
    /** Says whose the upload is, by pieces after that number. */
    async mark(after: number) {
      const marks = marksOf(runId, fence, after).map(({ number, bytes }) => {
        const content = Buffer.alloc(bytes)
        return send(number, content, createHash('sha256').update(content).digest())
      })
      await Promise.all(marks)
    },
    stop: () => stopped.abort(new Error('the upload is aborted')),
  }
}
