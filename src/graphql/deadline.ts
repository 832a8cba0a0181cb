import { type ExecutionResult, GraphQLError } from 'graphql'

/** Waits for the work at most `ms` milliseconds; what is not ready by then is dropped, and `onLate` told. */
export async function beforeDeadline<T>(
  work: T | Promise<T>,
  ms: number,
  onLate?: () => void,
): Promise<T | ExecutionResult> {
  if (!(work instanceof Promise)) return work
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<ExecutionResult>((resolve) => {
    timer = setTimeout(() => {
      onLate?.()
      const extensions = { code: 'TIMEOUT' }
      resolve({ errors: [new GraphQLError('The operation took too long.', { extensions })] })
    }, ms)
  })
  try {
    return await Promise.race([work, deadline])
  } finally {
    clearTimeout(timer)
  }
}
