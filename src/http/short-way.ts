// The short way for what nearly every client sends: a POST of JSON that is answered with JSON. It runs the engine of
// yoga (guard, masking, context: all plugins) without a Request, a Response and their streams, which cost more than
// the execution. Everything else takes yoga's own way: GET, event streams, multipart, the editor.
import type { IncomingMessage } from 'node:http'
import { type ExecutionResult, getOperationAST, OperationTypeNode } from 'graphql'
import type { Logger } from '../domain/ports.ts'
import type { NewContext } from '../graphql/context.ts'
import type { Guard } from '../graphql/guard.ts'
import { errorMask } from '../graphql/public-error.ts'
import { refusal } from '../graphql/refusal.ts'
import type { TrustedDocuments } from '../graphql/trusted-documents.ts'
import { type Answer, denialAnswer } from './answer.ts'
import type { Admission, Authenticate } from './auth.ts'
import type { OperationCounts } from './operation-counts.ts'
import { MAX_BODY, type Params, readParams } from './params.ts'
import { rateHeaders } from './rate-limit.ts'
import { credentialsOf, readBody } from './request.ts'
import { noStream } from './request-check.ts'
import { type MediaType, resultAnswer } from './result.ts'
import type { GatewayYoga } from './yoga.ts'

export interface ShortWay {
  /** The media type to answer with, or null when the request is not for the short way. By method and headers alone. */
  fits(req: IncomingMessage): MediaType | null
  answer(req: IncomingMessage, type: MediaType): Promise<Answer>
}

const JSON_BODY = /^application\/json\s*(;\s*charset="?utf-?8"?\s*)?$/i

export function shortWay(options: {
  yoga: GatewayYoga
  newContext: NewContext
  guard: Guard
  operations: Pick<OperationCounts, 'countAs'>
  authenticate: Authenticate
  documents: TrustedDocuments
  log: Logger
}): ShortWay {
  const { yoga, newContext, guard, operations, authenticate, documents } = options
  const mask = errorMask(options.log)

  /** The answer to what was asked before in the same words, or null: nearly all that clients ask comes again. */
  const answerAgain = async (params: Params, { session, rate }: Admission) => {
    const again = guard.quick(params, { session })
    const result = again ? await again(newContext(session, rate)) : null
    if (!result) return null
    operations.countAs(OperationTypeNode.QUERY, result)
    return result.errors ? { ...result, errors: result.errors.map(mask) } : result
  }
  const execute = async (body: Uint8Array, admission: Admission): Promise<ExecutionResult> => {
    try {
      const params = readParams(body, documents)
      const known = await answerAgain(params, admission)
      if (known) return known
      const engine = yoga.getEnveloped({ params, ...admission })
      const document = engine.parse(params.query)
      const errors = engine.validate(engine.schema, document)
      if (errors.length > 0) return { errors }
      const { operationName, variables } = params
      const operation = getOperationAST(document, operationName)
      if (operation?.operation === 'subscription') return { errors: [noStream()] }
      const args = {
        schema: engine.schema,
        document,
        operationName: operationName ?? null,
        variableValues: variables ?? null,
        contextValue: await engine.contextFactory(),
      }
      return await engine.execute(args)
    } catch (error) {
      return { errors: [mask(error)] }
    }
  }

  return {
    fits({ method, url, headers }) {
      if (method !== 'POST' || url !== '/graphql' || headers['content-encoding'] !== undefined) return null
      // Without a token the schema may be open all the same: yoga's door knows.
      if (headers.authorization === undefined) return null
      if (!JSON_BODY.test(headers['content-type'] ?? '')) return null
      return mediaTypeOf(headers.accept)
    },
    async answer(req, type) {
      const admission = await authenticate(credentialsOf(req))
      if ('denied' in admission) return denialAnswer(admission.denied)
      const body = await readBody(req, MAX_BODY)
      const result = body ? await execute(body, admission) : { errors: [tooLarge()] }
      const { headers, ...answer } = resultAnswer(result, type)
      return { ...answer, headers: { ...rateHeaders(admission.rate), ...headers } }
    },
  }
}

/** What clients commonly accept; null for anything that wants a closer look. */
function mediaTypeOf(accept: string | undefined): MediaType | null {
  if (accept === undefined || accept === '*/*' || accept === 'application/json') return 'application/json'
  const isPlain = /^application\/graphql-response\+json\s*(,\s*application\/json\s*(;q=0\.\d+)?\s*)?$/.test(
    accept,
  )
  return isPlain ? 'application/graphql-response+json' : null
}

const tooLarge = () =>
  refusal('REQUEST_ENTITY_TOO_LARGE', `The body may have at most ${MAX_BODY} bytes.`, { status: 413 })
