import type { Schedule } from '../../domain/model.ts'
import { builder } from '../builder.ts'

export const frequency = builder.enumType('Frequency', {
  description: 'How often a mapping is exported.',
  values: {
    ONCE: { description: 'A single time. For DAILY_FULL_EXPORT.' },
    EVERY_3_HOURS: { description: 'Eight times a day. For FIRST_FULL_THEN_INCREMENTAL.' },
    EVERY_6_HOURS: { description: 'Four times a day. For FIRST_FULL_THEN_INCREMENTAL.' },
    EVERY_8_HOURS: { description: 'Three times a day. For FIRST_FULL_THEN_INCREMENTAL.' },
    EVERY_12_HOURS: { description: 'Twice a day. For FIRST_FULL_THEN_INCREMENTAL.' },
    DAILY: { description: 'Every day. For either export mode.' },
    WEEKLY: { description: 'Every week, on the weekday of the start date. For DAILY_FULL_EXPORT.' },
    MONTHLY: {
      description:
        'Every month, on the day of the start date; in a month without that day, on its last. For DAILY_FULL_EXPORT.',
    },
  },
})
const scheduleTrigger = builder.enumType('ScheduleTrigger', {
  description: 'What sets a scheduled export off.',
  values: {
    SCHEDULED: { description: 'The hour of startTime.' },
    AFTER_SEGMENT_EVALUATION: {
      description: "The end of the day's segmentation. For DAILY_FULL_EXPORT, ONCE or DAILY.",
    },
  },
})
export const exportMode = builder.enumType('ExportMode', {
  description: 'What scheduled runs send.',
  values: {
    DAILY_FULL_EXPORT: { description: 'Every member, every time.' },
    FIRST_FULL_THEN_INCREMENTAL: { description: 'Every member the first time, then what changed.' },
  },
})

export const schedule = builder.objectRef<Schedule>('Schedule').implement({
  description:
    "`endDate` is exclusive. `startTime` is HH:00 in UTC. AFTER_SEGMENT_EVALUATION runs as soon as the day's segmentation is done.",
  fields: (t) => ({
    frequency: t.expose('frequency', { type: frequency, description: 'How often it is exported.' }),
    trigger: t.expose('trigger', { type: scheduleTrigger, description: 'What sets it off.' }),
    startDate: t.expose('startDate', { type: 'Date', description: 'The first day of it.' }),
    endDate: t.expose('endDate', {
      type: 'Date',
      nullable: true,
      description: 'The day after the last; null for no end.',
    }),
    startTime: t.exposeString('startTime', {
      nullable: true,
      description: 'HH:00 in UTC; null after segment evaluation.',
    }),
  }),
})

export const scheduleInput = builder.inputType('ScheduleInput', {
  description: 'When a segment is exported.',
  fields: (t) => ({
    frequency: t.field({ type: frequency, required: true, description: 'How often it is exported.' }),
    trigger: t.field({ type: scheduleTrigger, defaultValue: 'SCHEDULED', description: 'What sets it off.' }),
    startDate: t.field({ type: 'Date', required: true, description: 'The first day of it.' }),
    endDate: t.field({ type: 'Date', description: 'The day after the last; absent for no end.' }),
    startTime: t.string({ description: 'HH:00 in UTC; 00:00 when absent.' }),
  }),
})
