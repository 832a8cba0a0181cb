import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  checkFilenameTemplate,
  type FilenameFacts,
  isStaticTemplate,
  manifestName,
  partName,
  renderFilename,
} from '../../src/domain/filename.ts'

const path = ['input', 'segments', '0', 'filenameTemplate']
const facts: FilenameFacts = {
  destination: { name: 'Partner A' },
  segment: { id: 'seg_0193', name: 'Überfällige Käufer' },
  dataflow: { id: 'flow_0194', name: 'nightly' },
  organizationName: 'local@gateway',
  sandboxName: 'prod',
  at: new Date('2026-11-22T09:30:05.678Z'),
}
const messages = (template: string) => checkFilenameTemplate(template, path).map((error) => error.message)
const render = (template: string | null, changes: Partial<FilenameFacts> = {}) =>
  renderFilename(template, { ...facts, ...changes })
const called = (name: string) => ({ segment: { id: 'seg_1', name } })

describe('templates', () => {
  it.each([
    '%DESTINATION%_segment%SEGMENT_ID%_%DATETIME(YYYYMMddHHmmss)%',
    'static',
    'daily/%SEGMENT_NAME%/%DATETIME(yyyy-MM-DD_HH.mm.ss)%',
    '%DESTINATION_NAME%-%DESTINATION_INSTANCE_ID%-%DESTINATION_INSTANCE_NAME%',
    '%ORGANIZATION_NAME%_%SANDBOX_NAME%_%TIMESTAMP%',
    'für alle (neu)',
    'CONTACTS/console',
    '%SEGMENT_NAME%.v2',
  ])('may be %j', (template) => {
    expect(messages(template)).toEqual([])
  })

  // Case 80 of the faults.
  it.each([
    ['../../x', 'begins with a dot'],
    ['a/../b', 'begins with a dot'],
    ['./a', 'begins with a dot'],
    ['.hidden', 'begins with a dot'],
    ['/a', 'begin or end with /'],
    ['a/', 'begin or end with /'],
    ['a//b', 'empty folder name'],
    ['a\\b', 'must not contain \\'],
    ['C:evil', 'must not contain'],
    ['a\u0000b', 'control characters'],
    ['a\nb', 'control characters'],
    ['\ud800', 'well-formed'],
    ['', 'between 1 and 255'],
    ['x'.repeat(300), 'between 1 and 255'],
    ['x'.repeat(180), 'below 180 bytes'],
    [`%SEGMENT_ID%${'x'.repeat(160)}`, 'below 180 bytes'],
    [`${'a'.repeat(150)}/%SEGMENT_ID%/%DESTINATION_INSTANCE_ID%/%SEGMENT_ID%`, 'longer than 255 characters'],
    ['CON', 'Windows'],
    ['nul.tar', 'Windows'],
    ['a/COM1/b', 'Windows'],
    ['LPT9', 'Windows'],
    ['a /b', 'white space'],
    ['a./b', 'ends with a dot'],
    ['%WHATEVER%', 'unknown macro, %WHATEVER%; known are %DESTINATION%, '],
    ['%segment_id%', 'unknown macro'],
    ['%custom-text%', 'text of your own stands without signs'],
    ['100%', 'belongs to no macro'],
    ['%%', 'belongs to no macro'],
    ['%SEGMENT_ID%%', 'belongs to no macro'],
    ['%DATETIME%', 'unknown macro'],
    ['%DATETIME()%', 'DATETIME pattern'],
    ['%DATETIME(-)%', 'DATETIME pattern'],
    ['%DATETIME(yyyy/MM)%', 'DATETIME pattern'],
    ['%DATETIME(../yyyy)%', 'DATETIME pattern'],
    ['%DATETIME(yyyy)%_%TIMESTAMP%', 'not both'],
  ])('may not be %j', (template, rule) => {
    expect(messages(template).join(' ')).toContain(rule)
    expect(checkFilenameTemplate(template, path)[0]).toMatchObject({ code: 'INVALID_INPUT', path })
  })

  it('are static without a moment in them', () => {
    expect(isStaticTemplate('a/%SEGMENT_NAME%')).toBe(true)
    expect(isStaticTemplate('%DATETIME(yyyy)%')).toBe(false)
    expect(isStaticTemplate('%TIMESTAMP%')).toBe(false)
  })
})

describe('rendered names', () => {
  it('follow the default template where there is none', () => {
    expect(render(null)).toBe('Partner_A_segmentseg_0193_20261122093005')
  })

  it('have every macro filled in, in UTC', () => {
    expect(
      render('%SANDBOX_NAME%/%SEGMENT_NAME%_%DESTINATION_INSTANCE_NAME%_%DATETIME(yyyy-MM-dd_HH.mm)%'),
    ).toBe('prod/Überfällige_Käufer_nightly_2026-11-22_09.30')
    expect(render('%ORGANIZATION_NAME%-%DESTINATION_INSTANCE_ID%-%TIMESTAMP%')).toBe(
      'local_gateway-flow_0194-1795339805',
    )
  })

  it.each([
    ['%DESTINATION%', 'Partner_A'],
    ['%DESTINATION_NAME%', 'Partner_A'],
    ['%SEGMENT_ID%', 'seg_0193'],
    ['%SEGMENT_NAME%', 'Überfällige_Käufer'],
    ['%DESTINATION_INSTANCE_ID%', 'flow_0194'],
    ['%DESTINATION_INSTANCE_NAME%', 'nightly'],
    ['%ORGANIZATION_NAME%', 'local_gateway'],
    ['%SANDBOX_NAME%', 'prod'],
    ['%DATETIME(YYYYMMdd_HHmmss)%', '20261122_093005'],
    ['%TIMESTAMP%', '1795339805'],
    ['custom text', 'custom text'],
  ])('have %s filled in, in the name and in every folder', (macro, value) => {
    expect(messages(`${macro}/x${macro}/${macro}y`)).toEqual([])
    expect(render(`${macro}/x${macro}/${macro}y`)).toBe(`${value}/x${value}/${value}y`)
  })

  // Case 81 of the faults.
  it.each([
    ['../../x', '_._x'],
    ['=cmd', 'cmd'],
    ['+1 -2', '1_-2'],
    ['.hidden', 'hidden'],
    ['..', '_'],
    ['a/b\\c:d', 'a_b_c_d'],
    ['CON', '_CON'],
    ['nul.txt', '_nul.txt'],
    ['a\u202Eb%SEGMENT_ID%', 'a_b_SEGMENT_ID_'],
    ['हिन्दी 漢字', 'हिन्दी_漢字'],
    ['😀', '_'],
    ['end.', 'end'],
  ])('make a harmless step of a segment called %j', (name, expected) => {
    expect(render('%SEGMENT_NAME%', called(name))).toBe(expected)
  })

  it('cut long names, not ids', () => {
    const name = render(null, {
      destination: { name: '漢'.repeat(255) },
      segment: { id: 'seg_0193', name: '' },
    })
    expect(name).toMatch(/^漢+_segmentseg_0193_20261122093005$/)
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(180)
  })

  it('stay inside their folder and within the limits of file systems, whatever the names are', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '%SEGMENT_NAME%',
        '%DESTINATION%',
        '%SEGMENT_ID%',
        '%DATETIME(yyyyMMdd)%',
        '/',
        '.',
        'CON',
      ),
      fc.string({ unit: 'grapheme', maxLength: 8 }),
    )
    const template = fc.array(piece, { minLength: 1, maxLength: 8 }).map((pieces) => pieces.join(''))
    const name = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 255 }),
      fc.constantFrom('..', '/', 'CON', 'a'.repeat(255), '𠀀'.repeat(255)),
    )
    fc.assert(
      fc.property(template, name, name, (text, segment, destination) => {
        fc.pre(messages(text).length === 0)
        const id = `seg_${'0'.repeat(32)}`
        const rendered = render(text, { destination: { name: destination }, segment: { id, name: segment } })
        expect([...rendered].length).toBeLessThanOrEqual(255)
        for (const step of rendered.split('/')) {
          expect(Buffer.byteLength(step)).toBeLessThanOrEqual(180)
          expect(step).not.toMatch(/^$|^\.|\.$|[\\%\p{Cc}]|^(con|nul)(\.|$)/iu)
        }
      }),
      { numRuns: 1000 },
    )
  })
})

describe('parts', () => {
  it('are counted from the second on, before the extension', () => {
    expect([1, 2, 3].map((part) => partName('a/b', part, 'csv.gz'))).toEqual([
      'a/b.csv.gz',
      'a/b_2.csv.gz',
      'a/b_3.csv.gz',
    ])
  })

  it('give their manifest the name of the first', () => {
    expect(manifestName('a/b.csv.gz')).toBe('a/b.csv.gz.manifest.json')
  })
})
