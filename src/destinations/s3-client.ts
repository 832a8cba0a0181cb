// The client of stores that speak the S3 protocol. It is told everything: nothing comes from the environment, from
// files in a home folder, or from a cloud's metadata service.
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import type { Outbound } from './outbound.ts'

const CONNECT_MS = 10_000
/** Without a byte either way. */
const SILENCE_MS = 30_000
/** A part of some megabytes over a thin line; a store that assembles a large object sends white space meanwhile. */
const REQUEST_MS = 10 * 60_000

export interface S3Login {
  region: string
  /** `https://…`; null: Amazon's own of that region. */
  endpoint: string | null
  /** Whether the bucket is named in the path, not in the host. */
  forcePathStyle: boolean
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string | undefined
}

export function s3Client(login: S3Login, outbound: Outbound, more: Partial<S3ClientConfig> = {}): S3Client {
  const { region, endpoint, forcePathStyle, accessKeyId, secretAccessKey, sessionToken } = login
  return new S3Client({
    region,
    ...(endpoint && { endpoint }),
    ignoreConfiguredEndpointUrls: true,
    forcePathStyle,
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) },
    requestHandler: new NodeHttpHandler({
      httpAgent: outbound.httpAgent,
      httpsAgent: outbound.httpsAgent,
      connectionTimeout: CONNECT_MS,
      socketTimeout: SILENCE_MS,
      requestTimeout: REQUEST_MS,
      throwOnRequestTimeout: true,
    }),
    // Requests are repeated by `request` in s3-errors.ts.
    maxAttempts: 1,
    retryMode: 'standard',
    // A part's hash is signed, so that the store checks it; stores beside Amazon's do not know the newer checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    followRegionRedirects: false,
    expectContinueHeader: false,
    // What the library would else look up in the environment and in files.
    defaultsMode: 'standard',
    authSchemePreference: ['aws.auth#sigv4'],
    sigv4aSigningRegionSet: [region],
    disableS3ExpressSessionAuth: true,
    disableMultiregionAccessPoints: true,
    useArnRegion: false,
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    userAgentAppId: 'activation-gateway',
    ...more,
  })
}
