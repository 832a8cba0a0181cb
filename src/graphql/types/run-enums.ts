import { builder } from '../builder.ts'

export const runMode = builder.enumType('RunMode', {
  description: 'What a run sends.',
  values: {
    FULL: { description: 'Every member of the snapshot.' },
    INCREMENTAL: { description: 'What changed since the run before.' },
  },
})

export const runStatus = builder.enumType('RunStatus', {
  description: 'How a run stands. SUCCESS, FAILED and CANCELLED are final.',
  values: {
    QUEUED: { description: 'Waits for a worker.' },
    PROCESSING: { description: 'A worker is at it.' },
    SUCCESS: { description: 'Every file, or every profile, is at the destination.' },
    FAILED: { description: 'Ended with an error.' },
    CANCELLING: { description: 'Asked to stop; the worker has not answered yet.' },
    CANCELLED: {
      description: 'Stopped on request. No file appeared; profiles that an API took by then stay there.',
    },
  },
})

export const runPhase = builder.enumType('RunPhase', {
  description: 'What a run is doing.',
  values: {
    WAITING: { description: 'Nothing yet: it waits for a worker.' },
    READING: { description: 'Looks for the members.' },
    DELIVERING: {
      description: 'Writes files to the destination, under temporary names, or sends profiles to an API.',
    },
    FINALIZING: {
      description:
        'Makes the files appear, and cannot be cancelled any more; or all profiles are sent, and the API has yet to say how that went.',
    },
    DONE: { description: 'Nothing any more: it has ended.' },
  },
})

export const rejectionReason = builder.enumType('RejectionReason', {
  description: 'Why a profile was left out or refused.',
  values: {
    MISSING_REQUIRED_FIELD: { description: 'It has no value in a required field.' },
    DUPLICATE: { description: 'Another profile with the same deduplication values was sent.' },
    NO_CONSENT: { description: 'Its consent attribute is not true.' },
    INVALID_VALUE: { description: 'A value cannot be written in the format.' },
    REFUSED_BY_DESTINATION: { description: 'The destination did not take it.' },
  },
})

export const runEventType = builder.enumType('RunEventType', {
  description: 'What happened to a run. SUCCEEDED, FAILED and CANCELLED are terminal.',
  values: {
    QUEUED: { description: 'It was asked for.' },
    STARTED: { description: 'A worker took it up.' },
    PROGRESS: { description: 'Its counters moved.' },
    FILE_DELIVERED: { description: 'A file is complete.' },
    RETRYING: { description: 'An attempt failed or was interrupted; it goes on from its last checkpoint.' },
    CANCELLING: { description: 'Somebody asked it to stop.' },
    SUCCEEDED: { description: 'Every file, or every profile, is at the destination.' },
    FAILED: { description: 'It ended with an error.' },
    CANCELLED: { description: 'It has stopped on request.' },
  },
})
