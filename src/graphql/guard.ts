// The one guard in front of every document, over HTTP, SSE and WebSocket alike: all three run through the engine
// that this plugin is part of.
import {
  type DocumentNode,
  type ExecutionResult,
  type GraphQLError,
  GraphQLError as GraphQLErrorClass,
  type GraphQLSchema,
  getOperationAST,
  validate,
} from 'graphql'
import { isAsyncIterable, type Plugin } from 'graphql-yoga'
import type { Session } from '../domain/access.ts'
import type { Guardrails, Logger } from '../domain/ports.ts'
import type { AuditService } from '../services/audit.ts'
import { auditRefused } from './audit.ts'
import { compiledQueries } from './compiled.ts'
import type { ApiContext } from './context.ts'
import { costOf } from './cost.ts'
import { beforeDeadline } from './deadline.ts'
import { type ReadDocument, readDocument } from './document.ts'
import { fieldAccess } from './field-access.ts'
import { withoutValues } from './public-error.ts'
import { refusal } from './refusal.ts'
import { schema } from './schema.ts'

export interface GuardOptions {
  guardrails: Guardrails
  log: Logger
  audit: AuditService
  introspection: 'always' | 'authenticated' | 'never'
  /** How long a query or mutation may take, in milliseconds. */
  deadlineMs?: number
}
/** What the guard knows of a caller before the context is built. */
interface Caller {
  session?: Session
}

const DEADLINE_MS = 10_000
const MAX_ERRORS = 5
const MAX_VARIABLE_DEPTH = 64
const CACHED_DOCUMENTS = 256

export type Guard = ReturnType<typeof guard>

/** `plugin` is for engines that do everything by steps; `quick` is the same in one go, for what needs no step. */
export function guard(options: GuardOptions) {
  const { guardrails, introspection, deadlineMs = DEADLINE_MS } = options
  const documents = documentCache(guardrails.maxQueryDepth)
  const mayIntrospect = ({ session }: Caller) =>
    introspection === 'always' || (introspection === 'authenticated' && session !== undefined)

  const accessErrors = (caller: Caller, read: ReadDocument | undefined): GraphQLError[] => {
    if (read?.introspects && !mayIntrospect(caller)) {
      return [refusal('INTROSPECTION_DISABLED', 'The schema cannot be asked for here.')]
    }
    if (caller.session || (introspection === 'always' && read?.onlyIntrospects)) return []
    return [
      refusal('UNAUTHENTICATED', 'This needs an Authorization header with a bearer token.', { status: 401 }),
    ]
  }
  const forbiddenFields = fieldAccess()
  const compiled = compiledQueries()
  const reckon = (args: ExecutionArgs, { session }: Caller): Reckoned => {
    const { schema, document, operationName } = args
    const variables = args.variableValues ?? {}
    const operation = getOperationAST(document, operationName)
    if (!operation) {
      return {
        errors: [refusal('OPERATION_RESOLUTION_FAILURE', 'Name one of the operations of the document.')],
      }
    }
    const refused = (errors: readonly GraphQLError[], cost?: Cost): Reckoned => {
      if (session) auditRefused(options, session, { operation, errors })
      return { errors, ...(cost && { extensions: { cost } }) }
    }
    const forbidden = session ? forbiddenFields(session, { schema, document, operation }) : []
    if (forbidden.length > 0) return refused(forbidden)
    if (isDeeper(variables, MAX_VARIABLE_DEPTH)) {
      const message = `Variables must be nested at most ${MAX_VARIABLE_DEPTH} deep.`
      return refused([refusal('BAD_USER_INPUT', message)])
    }
    const maximumAvailable = guardrails.maxQueryCost
    const requestedQueryCost = costOf({ schema, document, operation, variables, guardrails })
    const cost = { requestedQueryCost, maximumAvailable }
    if (requestedQueryCost <= maximumAvailable) return { extensions: { cost } }
    const message = `The operation may cost at most ${maximumAvailable}: ask for smaller pages or fewer fields.`
    return refused([refusal('COST_LIMIT', message)], cost)
  }

  const plugin: Plugin<Caller> = {
    onParse({ setParseFn }) {
      setParseFn((source) => documents.read(typeof source === 'string' ? source : source.body).document)
    },
    onValidate({ context, params: { documentAST }, setValidationFn }) {
      const caller: Caller = context
      setValidationFn((schema: GraphQLSchema, document: DocumentNode) => {
        const errors = accessErrors(caller, documents.of(documentAST))
        return errors.length > 0 ? errors : documents.validate(schema, document, !mayIntrospect(caller))
      })
    },
    onExecute({ args, executeFn, setExecuteFn, setResultAndStopExecution, context }) {
      const reckoned = reckon(args, context)
      if (reckoned.errors) return setResultAndStopExecution(reckoned)
      const { extensions } = reckoned
      const isHidden = !mayIntrospect(context)
      setExecuteFn(async (given) => {
        const answer = await beforeDeadline(compiled.answer(given, documents.of(args.document)), deadlineMs)
        if (answer) return answer
        const late = new AbortController()
        const timed = { ...given, signal: late.signal } // an option of yoga's executor
        return beforeDeadline(executeFn(timed), deadlineMs, () =>
          late.abort(new Error('the deadline of an operation has passed')),
        )
      })
      return {
        onExecuteDone({ result, setResult }) {
          if (isAsyncIterable(result)) return
          const shown = isHidden ? scrubbed(result) : result
          setResult({ ...shown, extensions: { ...shown.extensions, ...extensions } })
        },
      }
    },
    onSubscribe({ args, setResultAndStopExecution, context }) {
      const reckoned = reckon(args, context)
      if (reckoned.errors) return setResultAndStopExecution(reckoned)
      const isHidden = !mayIntrospect(context)
      return {
        onSubscribeResult({ result, setResult }) {
          if (isHidden && !isAsyncIterable(result)) setResult(scrubbed(result))
        },
      }
    },
  }

  /**
   * For a query that was asked before, is compiled, and passes: the function that answers it in a context, with null
   * when it turns out to be for the engine after all. Null for anything else.
   */
  const quick = (asked: Question, caller: Caller) => {
    const read = documents.known(asked.query)
    if (!read || !compiled.has(read.document, asked.operationName)) return null
    if (accessErrors(caller, read).length > 0) return null
    if (!documents.isValid(read.document, !mayIntrospect(caller))) return null
    const { operationName, variables: variableValues } = asked
    const args = { schema, document: read.document, operationName, variableValues }
    const { errors, extensions } = reckon(args, caller)
    if (errors) return null
    return async (contextValue: ApiContext): Promise<ExecutionResult | null> => {
      const answer = await beforeDeadline(compiled.answer({ ...args, contextValue }, read), deadlineMs)
      if (!answer) return null
      const shown = mayIntrospect(caller) ? answer : scrubbed(answer)
      return { ...shown, extensions: { ...shown.extensions, ...extensions } }
    }
  }

  return { plugin, quick }
}

/** What a client asks. */
interface Question {
  query: string
  operationName?: string | null | undefined
  variables?: Readonly<Record<string, unknown>> | null | undefined
}

/** What a client is told of the price of its operation, before it is executed. */
interface Cost {
  requestedQueryCost: number
  maximumAvailable: number
}
interface Reckoned {
  /** Why the operation is not executed. */
  errors?: readonly GraphQLError[]
  extensions?: { cost: Cost }
}

interface ExecutionArgs {
  schema: GraphQLSchema
  document: DocumentNode
  operationName?: string | null | undefined
  variableValues?: Readonly<Record<string, unknown>> | null | undefined
}

/** Documents that were seen lately, with what is known of them. */
function documentCache(maxDepth: number) {
  const byText = new Map<string, ReadDocument>()
  const byDocument = new WeakMap<DocumentNode, ReadDocument>()
  type Verdicts = WeakMap<DocumentNode, readonly GraphQLError[]>
  const validated: Record<'open' | 'hidden', Verdicts> = { open: new WeakMap(), hidden: new WeakMap() }
  return {
    /** Those that were read lately. */
    known: (text: string) => byText.get(text),
    isValid: (document: DocumentNode, hideSuggestions: boolean) =>
      validated[hideSuggestions ? 'hidden' : 'open'].get(document)?.length === 0,
    read(text: string): ReadDocument {
      const read = byText.get(text) ?? readDocument(text, maxDepth)
      // Set again: the map keeps the order of use, and the oldest goes.
      byText.delete(text)
      byText.set(text, read)
      byDocument.set(read.document, read)
      const oldest = byText.keys().next().value
      if (byText.size > CACHED_DOCUMENTS && oldest !== undefined) byText.delete(oldest)
      return read
    },
    of: (document: DocumentNode) => byDocument.get(document),
    validate(
      schema: GraphQLSchema,
      document: DocumentNode,
      hideSuggestions: boolean,
    ): readonly GraphQLError[] {
      const cache = validated[hideSuggestions ? 'hidden' : 'open']
      const known = cache.get(document)
      if (known) return known
      const options = { maxErrors: MAX_ERRORS, hideSuggestions }
      const errors = validate(schema, document, undefined, options)
        .slice(0, MAX_ERRORS)
        .map(
          ({ message, nodes, extensions }) =>
            new GraphQLErrorClass(withoutValues(message), { nodes, extensions }),
        )
      cache.set(document, errors)
      return errors
    },
  }
}

/** Without names of the schema in messages that graphql-js makes while it reads variables. */
function scrubbed(result: ExecutionResult): ExecutionResult {
  if (!result.errors) return result
  const errors = result.errors.map((error: GraphQLError) => {
    const message = error.message.replace(/ ?Did you mean .*$/s, '')
    if (message === error.message) return error
    const { nodes, path, originalError, extensions } = error
    return new GraphQLErrorClass(message, { nodes, path, originalError: originalError ?? null, extensions })
  })
  return { ...result, errors }
}

/** Whether plain data nests deeper than a limit; without recursion, because it may be very deep. */
function isDeeper(data: unknown, limit: number): boolean {
  const open: [unknown, number][] = [[data, 0]]
  for (let next = open.pop(); next; next = open.pop()) {
    const [value, depth] = next
    if (typeof value !== 'object' || value === null) continue
    if (depth > limit) return true
    for (const inner of Object.values(value)) if (typeof inner === 'object') open.push([inner, depth + 1])
  }
  return false
}
