import { z } from 'zod'
import type { Driver } from '../driver.ts'
import { localDelivery } from './delivery.ts'

/** Writes files below EXPORT_ROOT, and nowhere else. */
export function localDirectory({ exportRoot }: { exportRoot: string }): Driver {
  return {
    type: 'LOCAL_DIRECTORY',
    title: 'Local directory',
    delivery: 'FILE',
    allowsAdHoc: true,
    account: null,
    settings: z.strictObject({
      path: z
        .string()
        .max(1000, 'path is at most 1,000 characters long.')
        .transform((path) => path.replace(/\/+$/, ''))
        .refine(
          isConfined,
          'path is a relative folder below EXPORT_ROOT, e.g. "sales/daily": no "..", no leading "/", no backslash.',
        ),
    }),
    fields: [],
    deliverFiles: (target) => localDelivery(exportRoot, target),
  }
}

/** The empty path and `.` stand for EXPORT_ROOT itself. */
function isConfined(path: string): boolean {
  if (path === '' || path === '.') return true
  const isPlain = path.isWellFormed() && !/[\u0000-\u001f\u007f\\]/.test(path) && !/^[a-zA-Z]:/.test(path)
  return (
    isPlain &&
    path
      .split('/')
      .every((step) => step !== '' && step !== '.' && step !== '..' && Buffer.byteLength(step) <= 255)
  )
}
