// Settings that would lead where nothing may be sent, for every kind of destination in the registry: they are made out of
// the examples that its forms give.
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Driver } from '../../src/destinations/driver.ts'
import { createOutbound } from '../../src/destinations/outbound.ts'
import { driverRegistry } from '../../src/destinations/registry.ts'
import { type TestGateway, testGateway } from '../support/api.ts'
import { filled, formsOf, type TypeForms, typeForms } from '../support/forms.ts'

const drivers = driverRegistry({
  exportRoot: '/exports',
  outbound: createOutbound({ allow: [] }),
}).list()
let gateway: TestGateway
let types: TypeForms[]
beforeAll(async () => {
  gateway = await testGateway()
  types = await typeForms(gateway)
})
afterAll(() => gateway.dispose())

const HOST_NAME = /[a-z0-9-]+(\.[a-z0-9-]+)+/
const NOT_PUBLIC = [
  '127.0.0.1',
  '10.0.0.1',
  '169.254.169.254',
  '[::1]',
  '[::ffff:127.0.0.1]',
  '0x7f.1',
  '2130706433',
]
const NOT_PUBLIC_NAMES = [
  'localhost',
  'metadata.google.internal',
  'a.local',
  '127。0。0。1',
  'user:secret@127.0.0.1',
]
const OUTSIDE = ['..', '../x', 'a/../../x', 'a/..', './x', 'a//b', 'a\\..\\b', 'a\0b', 'a\nb']

// Cases 74 and 77 of the faults.
it.each(named(drivers.filter(({ account }) => account)))(
  '%s takes no address that is not public',
  (_, driver) => {
    const hostile = altered(driver, (value) =>
      HOST_NAME.test(value)
        ? [...NOT_PUBLIC, ...NOT_PUBLIC_NAMES].map((host) => value.replace(HOST_NAME, host))
        : [],
    )
    expect(hostile.length).toBeGreaterThan(0)
    expect(hostile.filter(isTaken)).toEqual([])
  },
)

// Case 83 of the faults.
it.each(named(drivers.filter(({ delivery }) => delivery === 'FILE')))(
  '%s takes no folder outside its own',
  (_, driver) => {
    const hostile = altered(driver, (value) => (/^[a-z]+\/[a-z]+$/.test(value) ? OUTSIDE : []))
    expect(hostile.length).toBeGreaterThan(0)
    expect(hostile.filter(isTaken)).toEqual([])
  },
)

function named(some: Driver[]) {
  return some.map((driver) => [driver.type, driver] as const)
}

/** The forms filled in after their examples, with others in place of one value. */
function altered(driver: Driver, change: (value: string) => string[]) {
  return formsOf(driver, types).flatMap(({ name, schema, takes }) => {
    const taken = filled(schema).filter((form) => takes.safeParse(form).success)
    const changed = taken.flatMap((form) =>
      Object.entries(form).flatMap(([field, value]) =>
        (typeof value === 'string' ? change(value) : []).map((other) => ({ ...form, [field]: other })),
      ),
    )
    return changed.map((form) => ({ name, form, takes }))
  })
}
function isTaken({ form, takes }: ReturnType<typeof altered>[number]): boolean {
  return takes.safeParse(form).success
}
