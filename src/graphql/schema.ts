// The schema: every type is imported here, and none is defined here.
import './scalars.ts'
import './types/access.ts'
import './types/activation.ts'
import './types/activation-error.ts'
import './types/activation-mutation.ts'
import './types/api-token.ts'
import './types/audit-entry.ts'
import './types/dataflow.ts'
import './types/dataflow-mutation.ts'
import './types/destination.ts'
import './types/destination-account.ts'
import './types/destination-account-mutation.ts'
import './types/destination-mutation.ts'
import './types/destination-type.ts'
import './types/file-format.ts'
import './types/guardrails.ts'
import './types/node.ts'
import './types/notification-target.ts'
import './types/notification-target-mutation.ts'
import './types/profile.ts'
import './types/profile-attribute.ts'
import './types/progress.ts'
import './types/rejection.ts'
import './types/run.ts'
import './types/run-event.ts'
import './types/run-file.ts'
import './types/run-mutation.ts'
import './types/run-updated.ts'
import './types/sandbox.ts'
import './types/schedule.ts'
import './types/segment.ts'
import './types/segment-mapping.ts'
import './types/segment-mapping-change.ts'
import './types/segment-mutation.ts'
import './types/segment-rule.ts'
import './types/segmentation-job.ts'
import './types/snapshot.ts'
import { defaultFieldResolver, isObjectType } from 'graphql'
import { withAudit } from './audit.ts'
import { builder } from './builder.ts'

export const schema = withAudit(builder.toSchema({ sortSchema: false }))

// What reads a property of its own name is what GraphQL does without a resolver, and compiled queries then inline it.
for (const type of Object.values(schema.getTypeMap())) {
  if (!isObjectType(type)) continue
  for (const field of Object.values(type.getFields())) {
    if (field.resolve === defaultFieldResolver) delete field.resolve
  }
}
