// Subscriptions over WebSocket that follow a log. Those with the same selection of the same log under the same rights
// are one group: an event costs one execution and one text, however many there are.
import { hash } from 'node:crypto'
import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  executeSubscriptionEvent,
  type GraphQLError,
  mapSourceToResponseEvent,
  print,
  type ValidatedSubscriptionArgs,
  validateSubscriptionArgs,
  visit,
} from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { rightsOf, type Session } from '../domain/access.ts'
import type { LogStream } from '../graphql/stream.ts'
import { publicResult } from './result.ts'
import { type Outlet, type StreamGroup, streamGroup } from './stream-group.ts'

/** An operation of a WebSocket. */
export interface Seat {
  /** Where its events go. */
  outlet: Outlet
  /** Set when it follows a log: sends the events from the first `next` on, and yields nothing. */
  joined?: AsyncIterableIterator<never>
}
interface Caller {
  session?: Session
  seat?: Seat
}

/** Subscriptions that come with a seat, and follow a log, join a group: what they are answered then means nothing. */
export function useSharedStreams(mask: (error: unknown) => GraphQLError): Plugin<Caller> {
  const groups = new Map<string, StreamGroup>()

  const follow = ({ log, release }: LogStream<unknown>, args: ValidatedSubscriptionArgs, seat: Seat) => {
    // The context that a group keeps is not of one socket.
    const { seat: _, ...contextValue } = args.contextValue as Caller
    const key = keyOf(args, contextValue, log.key)
    const present = groups.get(key)
    const group =
      present ??
      streamGroup({
        log,
        render: (row) => textOf({ ...args, contextValue, rootValue: row }, mask),
        mask,
        onEmpty: () => groups.delete(key),
      })
    if (!present) groups.set(key, group)
    seat.joined = group.join(seat.outlet, { after: log.after, onEnd: release })
    return {}
  }
  const subscribe = async (given: ExecutionArgs, seat: Seat) => {
    const args = validateSubscriptionArgs(given)
    if (!('schema' in args)) return { errors: args }
    const source = await createSourceEventStream(args)
    if (!isStream(source)) return source
    return isLogStream(source) ? follow(source, args, seat) : mapSourceToResponseEvent(args, source)
  }

  return {
    onSubscribe({ context: { seat }, setSubscribeFn }) {
      if (seat) setSubscribeFn((args: ExecutionArgs) => subscribe(args, seat))
    },
  }
}

function isStream(source: AsyncIterable<unknown> | ExecutionResult): source is AsyncIterable<unknown> {
  return Symbol.asyncIterator in source
}

function isLogStream(source: AsyncIterable<unknown>): source is LogStream<unknown> {
  return 'log' in source
}

/** What an event's answer depends on, other than the event. */
function keyOf(args: ValidatedSubscriptionArgs, { session }: Caller, logKey: string): string {
  const { document, operation, rawVariableValues } = args
  const variables = selectionVariables(args).map((name) => [name, rawVariableValues?.[name]])
  const parts = [
    document.loc?.source.body ?? print(document),
    operation.name?.value,
    variables,
    session && rightsOf(session),
    logKey,
  ]
  return hash('sha256', JSON.stringify(parts))
}

/** The variables that the selection uses. Arguments of the root field say which log is followed, and from where. */
function selectionVariables({ document, operation }: ValidatedSubscriptionArgs): string[] {
  const names = new Set<string>()
  const [root] = operation.selectionSet.selections
  visit(document, {
    VariableDefinition: () => false,
    Argument: (_node, _key, _parent, _path, ancestors) => (ancestors.at(-1) === root ? false : undefined),
    Variable: ({ name }) => {
      names.add(name.value)
    },
  })
  return [...names].sort()
}

/** Executes the selection for one event: its answer as JSON. */
async function textOf(
  args: ValidatedSubscriptionArgs,
  mask: (error: unknown) => GraphQLError,
): Promise<Buffer> {
  const result = await executeSubscriptionEvent(args)
  const errors = result.errors?.map(mask)
  return Buffer.from(JSON.stringify(publicResult(errors ? { ...result, errors } : result)))
}
