import { z } from 'zod'
import { isConfined } from '../confined-path.ts'
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
        )
        .meta({
          title: 'Folder',
          description: 'The folder of the files below EXPORT_ROOT; empty for EXPORT_ROOT itself.',
          examples: ['sales/daily'],
        }),
    }),
    fields: [],
    deliverFiles: (target) => localDelivery(exportRoot, target),
  }
}
