// Pages of the lists that hang on objects: of however many objects a list is asked in one tick, it is one statement.
import { type Session, visibleDestinations } from '../domain/access.ts'
import type { Page, Paging } from '../storage/paging.ts'
import type { RejectionFilter } from '../storage/rejection.ts'
import type { RunOrder } from '../storage/run.ts'
import type { RunFilter } from '../storage/run-filter.ts'
import type { SegmentMappingFilter } from '../storage/segment-mapping.ts'
import type { ApiParts } from './context.ts'
import { batched } from './loaders.ts'
import type { Stores } from './stores.ts'

export type Pages = ReturnType<typeof createPages>
type Filtered<Filter> = Paging & { filter?: Filter | null | undefined }

/** The lists of one operation, within the session's sandbox and what a partner may see. */
export function createPages(stores: Stores, { guardrails }: ApiParts, session: Session) {
  const { maxPageSize } = guardrails
  const sandboxId = session.sandbox.id
  const visible = visibleDestinations(session)
  const plain = <Row>(
    fetch: (
      ids: readonly string[],
      paging: Paging & { sandboxId: string },
    ) => Promise<Map<string, Page<Row>>>,
  ) =>
    paged((ids, { args, only }: Pick<Paging, 'args' | 'only'>) =>
      fetch(ids, { args, only, maxPageSize, sandboxId }),
    )
  const mappings = (parent: 'destination' | 'dataflow' | 'segment') =>
    paged((ids, options: Filtered<SegmentMappingFilter>) =>
      stores.segmentMapping.pages({ parent, ids }, { ...options, sandboxId, visible }),
    )
  const runs = (parent: 'segment' | 'dataflow') =>
    paged(
      (ids, options: Omit<Filtered<RunFilter>, 'maxPageSize'> & { orderBy?: RunOrder | null | undefined }) =>
        stores.run.pages({ parent, ids }, { ...options, maxPageSize, sandboxId, visible }),
    )

  return {
    dataflowsOfDestination: plain(stores.dataflow.pagesByDestination),
    destinationsOfAccount: plain(stores.destination.pagesByAccount),
    snapshotsOfSegment: plain(stores.snapshot.pagesBySegment),
    mappingsOfDestination: mappings('destination'),
    mappingsOfDataflow: mappings('dataflow'),
    mappingsOfSegment: mappings('segment'),
    runsOfSegment: runs('segment'),
    runsOfDataflow: runs('dataflow'),
    rejectionsOfRun: paged((ids, options: Omit<Filtered<RejectionFilter>, 'maxPageSize'>) =>
      stores.rejection.pagesByRun(ids, { ...options, maxPageSize }),
    ),
  }
}

/** Those who ask with the same arguments, within one tick, ask together. */
function paged<Options extends Pick<Paging, 'only'>, Row>(
  fetch: (parentIds: readonly string[], options: Options) => Promise<Map<string, Page<Row>>>,
) {
  const loaders = new Map<string, ReturnType<typeof batched<Page<Row>>>>()
  const loaderOf = (options: Options) =>
    batched<Page<Row>>(async (ids) => {
      const pages = await fetch(ids, options)
      return (id) => {
        const page = pages.get(id)
        if (!page) throw new Error(`no page was made for ${id}`)
        return page
      }
    })
  return {
    load(parentId: string, options: Options): Promise<Page<Row>> {
      const { only, ...asked } = options
      const key = `${only?.key}\n${JSON.stringify(asked)}`
      const loader = loaders.get(key) ?? loaderOf(options)
      loaders.set(key, loader)
      return loader.load(parentId)
    },
  }
}
