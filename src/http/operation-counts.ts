import { type ExecutionArgs, type ExecutionResult, getOperationAST, type OperationTypeNode } from 'graphql'
import type { Plugin } from 'graphql-yoga'

export type OperationResult = 'ok' | 'errors'
export type OperationCounts = ReturnType<typeof operationCounts>

/** Counts what is executed, over HTTP and WebSocket alike; a subscription once, when it begins. */
export function operationCounts() {
  const none = (): Record<OperationResult, number> => ({ ok: 0, errors: 0 })
  const counts: Record<OperationTypeNode, Record<OperationResult, number>> = {
    query: none(),
    mutation: none(),
    subscription: none(),
  }
  const countAs = (kind: OperationTypeNode, result: unknown) => {
    counts[kind][isFailed(result) ? 'errors' : 'ok'] += 1
  }
  const count = (args: ExecutionArgs, result: unknown) => {
    const kind = getOperationAST(args.document, args.operationName)?.operation
    if (kind) countAs(kind, result)
  }
  const plugin: Plugin = {
    onExecute: ({ args }) => ({ onExecuteDone: ({ result }) => count(args, result) }),
    onSubscribe: ({ args }) => ({ onSubscribeResult: ({ result }) => count(args, result) }),
  }
  return { counts: counts as Readonly<typeof counts>, countAs, plugin }
}

function isFailed(result: unknown): boolean {
  return (result as ExecutionResult).errors !== undefined
}
