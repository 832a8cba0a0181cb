// Every code that a top-level error may carry in `extensions.code`, with what it means. The codes of errors in
// payloads are enums of the schema: UserErrorCode and ActivationErrorCode.

export const ERROR_CODES = {
  BAD_REQUEST: 'The request is not GraphQL over HTTP: method, JSON, or the type of a member.',
  UNSUPPORTED_MEDIA_TYPE: 'The body is not of a type that is taken here, or is compressed.',
  NOT_ACCEPTABLE: 'Nothing that `accept` names can be sent; subscriptions need `text/event-stream`.',
  REQUEST_ENTITY_TOO_LARGE: 'The body is longer than 256 KB.',
  PREFLIGHT_REQUIRED: 'A GET without a header that pages of other origins cannot send.',
  NOT_FOUND: 'There is nothing at this address.',
  UNAUTHENTICATED: 'No token, or one that is not valid (any more).',
  FORBIDDEN: 'The token is good, and not for this.',
  RATE_LIMITED: 'Too many requests; `retry-after` says when to come back.',
  SUBSCRIPTION_LIMIT: 'The token has as many live subscriptions as it may, over all connections.',
  INTROSPECTION_DISABLED: 'The schema cannot be asked for here.',
  GRAPHQL_PARSE_FAILED: 'The document is not GraphQL.',
  GRAPHQL_VALIDATION_FAILED: 'The document does not fit the schema.',
  OPERATION_RESOLUTION_FAILURE: '`operationName` names none of the operations, or is needed to choose.',
  DOCUMENT_LIMIT: 'The document is too long.',
  TOKEN_LIMIT: 'The document has too many tokens.',
  OPERATION_LIMIT: 'The document has too many operations.',
  VARIABLE_LIMIT: 'An operation declares too many variables.',
  DEPTH_LIMIT: 'Fields are nested too deep.',
  ALIAS_LIMIT: 'Too many aliases.',
  ROOT_FIELD_LIMIT: 'Too many fields at the top.',
  DIRECTIVE_LIMIT: 'Too many directives.',
  FIELD_LIMIT: 'Too many fields, fragments written out.',
  COST_LIMIT: 'The operation may come to too many fields: ask for smaller pages or fewer fields.',
  PERSISTED_QUERY_NOT_FOUND: 'There is no trusted document with this id.',
  PERSISTED_QUERY_NOT_SUPPORTED: 'No trusted documents have been put up here: send the text.',
  TRUSTED_DOCUMENTS_ONLY: 'Only trusted documents are executed here.',
  BAD_USER_INPUT: 'A value breaks a rule that the message states.',
  TIMEOUT: 'The operation took too long and was given up.',
  UNAVAILABLE: 'The gateway cannot do this for now; the same request may succeed later.',
  INTERNAL_SERVER_ERROR: 'A fault of the gateway. The log has it under the `requestId` of the error.',
} as const satisfies Record<string, string>

export type ErrorCode = keyof typeof ERROR_CODES
