import { type ExecutionResult, GraphQLError } from 'graphql'

/** Waits for the work at most `ms` milliseconds; what is not ready by then is dropped, and `onLate` told. */
export function beforeDeadline<T>(
  work: T | Promise<T>,
  ms: number,
  onLate?: () => void,
): T | Promise<T | ExecutionResult> {
  if (!(work instanceof Promise)) return work
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      onLate?.()
      const extensions = { code: 'TIMEOUT' }
      resolve({ errors: [new GraphQLError('The operation took too long.', { extensions })] })
    }, ms)
    const settle = (end: () => void) => {
      clearTimeout(timer)
      end()
    }
    work.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error)),
    )
  })
}
