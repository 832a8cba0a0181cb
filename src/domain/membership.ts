// What a profile is to a segment, as a column: `realized` of a member, `exited` of one that is a member no more.

const STATUS = /^segmentMembership\.(?:[^.]+\.[^.]+\.)?status$/

/**
 * Whether a field's source is the status of the membership in the run's segment: `segmentMembership.status`, or
 * `segmentMembership.<namespace>.<segment>.status`, whatever stands there. No attribute is read under these names.
 */
export const isMembershipStatus = (source: string): boolean => STATUS.test(source)
