/* The address holds the whole view, and no address breaks the page. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ViewState } from '../../viewer/html/page/state'
import { INITIAL } from '../../viewer/html/page/state'
import { decode, encode, isStep } from '../../viewer/html/page/url'
import type { Bounds } from '../../viewer/html/page/state'

const bounds: Bounds = { durationNs: 5e9, process: 2, thread: 10, lock: 3, rows: { interval: 100, wait: 50, hold: 40, sample: 30, tally: 0 } }

test('the initial view is short', () => {
  assert.equal(encode(INITIAL), '#1/overview')
  assert.deepEqual(decode('', bounds), INITIAL)
})

test('every part of a view comes back', () => {
  const state: ViewState = {
    ...INITIAL, view: 'flame', visible: { t0: 0, t1: 4999999999 }, selection: { t0: 1200000, t1: 3400000 }, baseline: { t0: 1, t1: 2 }, process: 1, thread: 9,
    lock: 0, focus: { table: 'wait', row: 49 }, search: 'a&b=c#d/é 100% "', filter: 'api', group: false, sort: 'name', hideIdle: true, source: 'wait', layout: 'sandwich',
    inverted: true, root: 'f;g', matrix: 'threads', cell: '3,4', byTime: true, theme: 'dark',
  }
  assert.deepEqual(decode(encode(state), bounds), state)
})

test('an address is readable', () => {
  assert.equal(encode({ ...INITIAL, view: 'timeline', selection: { t0: 1200000.4, t1: 3400000 }, focus: { table: 'wait', row: 17 } }), '#1/timeline?selection=1200000-3400000&focus=wait:17')
})

test('what lies outside the recording is left out', () => {
  const at = (query: string) => decode(`#1/timeline?${query}`, bounds)
  assert.equal(at('thread=10').thread, null)
  assert.equal(at('thread=9').thread, 9)
  assert.equal(at('thread=-1').thread, null)
  assert.equal(at('thread=1e0').thread, null)
  assert.equal(at('focus=wait:50').focus, null)
  assert.equal(at('focus=tally:0').focus, null)
  assert.equal(at('focus=constructor:0').focus, null)
  assert.equal(at('selection=3-3').selection, null)
  assert.equal(at('selection=6000000000-7000000000').selection, null)
  assert.deepEqual(at('selection=1-7000000000').selection, { t0: 1, t1: 5e9 })
})

test('garbage leaves a whole state', () => {
  const keys = Object.keys(INITIAL).sort()
  for (const hash of ['#', '#1', '#1/', '#2/timeline?thread=1', '#1/nosuch', '#1/flame?%', '#1/flame?search=%E0%A4%A', '#1/flame?__proto__=1&constructor=2&toString=3',
    '#1/flame?=&&&=&a', `#1/flame?${'x=1&'.repeat(5000)}`, '#1/flame?view=timeline', '#1/locks?sort=__proto__&group=maybe&theme=<script>', '\u0000', '#1/flame?root=' + 'a'.repeat(1e5)]) {
    const state = decode(hash, bounds)
    assert.deepEqual(Object.keys(state).sort(), keys, hash.slice(0, 40))
    for (const key of keys as (keyof ViewState)[])
      if (INITIAL[key] !== null) assert.equal(typeof state[key], typeof INITIAL[key], `${key} of ${hash.slice(0, 40)}`)
  }
  assert.equal(decode('#1/flame?view=timeline', bounds).view, 'flame')
  assert.equal(decode('#1/locks?sort=bogus&group=maybe', bounds).sort, INITIAL.sort)
  assert.equal(decode('#1/flame?root=' + 'a'.repeat(1e5), bounds).root.length, 2000)
  assert.equal(({} as Record<string, unknown>).polluted, undefined)
})

test('going somewhere is a step, moving about is not', () => {
  const to = (patch: Partial<ViewState>) => isStep(new Set(Object.keys(patch) as (keyof ViewState)[]), INITIAL, { ...INITIAL, ...patch })
  assert.equal(to({ view: 'locks' }), true)
  assert.equal(to({ selection: { t0: 1, t1: 2 } }), true)
  assert.equal(to({ visible: { t0: 1, t1: 2 } }), false)
  const dragging = { ...INITIAL, selection: { t0: 1, t1: 2 } }
  assert.equal(isStep(new Set(['selection']), dragging, { ...dragging, selection: { t0: 1, t1: 3 } }), false)
})
