import { type ActivationRequest, pairKey, type UnfilledField } from '../domain/activation.ts'
import { isMembershipStatus } from '../domain/membership.ts'
import type { ActivationRows } from '../storage/activation-facts.ts'
import { membershipStore } from '../storage/membership.ts'
import type { ServiceContext } from './context.ts'

/**
 * By pairKey: fields that destinations require and that no member of a segment would fill. Where most profiles have the
 * attribute, one is found at once; where none has, all members are looked at, once for each dataflow.
 */
export async function unfilledFields(
  { database, drivers }: ServiceContext,
  { orders }: ActivationRequest,
  { dataflows, segments }: Pick<ActivationRows, 'dataflows' | 'segments'>,
): Promise<Map<string, UnfilledField>> {
  const store = membershipStore(database)
  const unfilled = new Map<string, UnfilledField>()
  const found = new Set<string>()
  for (const { dataflowId, segmentId } of orders) {
    const dataflow = dataflows.get(dataflowId)
    const snapshot = segments.get(segmentId)?.snapshot
    if (!dataflow || !snapshot || snapshot.profileCount === 0 || found.has(dataflowId)) continue
    const required = drivers.find(dataflow.destination.type)?.fields.filter((field) => field.required) ?? []
    for (const { target, source } of dataflow.fields) {
      if (isMembershipStatus(source) || !required.some(({ name }) => name === target)) continue
      if (await store.someMemberHas(snapshot.version, source)) continue
      unfilled.set(pairKey(dataflowId, segmentId), { target, source })
      found.add(dataflowId)
      break
    }
  }
  return unfilled
}
