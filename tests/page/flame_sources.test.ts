import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Filter } from '../../viewer/html/page/data/aggregate'
import { StackSums, SOURCE_ORDER, boxText, readSource, sourceSize, unitNs, whyEmpty } from '../../viewer/html/page/data/flame_sources'
import { HolderState, NONE, State, type Recording } from '../../viewer/html/page/data/recording'
import type { FlameSource } from '../../viewer/html/page/state'
import { synthetic } from './synthetic'

const rec = synthetic({ threads: 20, intervals: 12000, seed: 3, locks: 2, processes: 2 })
const ALL: Filter = { range: null, process: null, thread: null, lock: null }
const MIDDLE = { t0: Math.round(rec.durationNs * 0.31), t1: Math.round(rec.durationNs * 0.64) }
const gils = rec.locks.map((l, id) => (l.kind === 'gil' ? id : -1)).filter((id) => id >= 0)
const others = rec.locks.map((l, id) => (l.kind === 'gil' ? -1 : id)).filter((id) => id >= 0)
const FILTERS: Record<string, Filter> = {
  all: ALL,
  range: { ...ALL, range: MIDDLE },
  'range between nanoseconds': { ...ALL, range: { t0: MIDDLE.t0 + 0.3, t1: MIDDLE.t1 + 0.4 } },
  process: { ...ALL, process: 1 },
  thread: { ...ALL, range: MIDDLE, thread: 3 },
  'a GIL': { ...ALL, lock: gils[0]! },
  'another lock': { ...ALL, range: MIDDLE, lock: others[0]! },
}

/* The same by the dullest means: every row looked at, nothing shared with the code under test. */
function direct(r: Recording, source: FlameSource, f: Filter): number {
  const lo = f.range ? Math.round(f.range.t0) : 0, hi = f.range ? Math.round(f.range.t1) : Infinity
  const ofLock = f.lock === null ? null : r.locks[f.lock]!.process
  const part = (a: number, b: number) => Math.max(0, Math.min(b, hi) - Math.max(a, lo))
  const isGil = (lock: number) => r.locks[lock]!.kind === 'gil'
  let sum = 0
  r.threads.forEach((t, id) => {
    if ((f.thread !== null && f.thread !== id) || (f.process !== null && f.process !== t.process) || (ofLock !== null && ofLock !== t.process)) return
    const state = source === 'gil' ? State.Gil : State.NoGil
    if (source === 'gil' || source === 'nogil')
      for (let i = t.samples[0]; i < t.samples[1]; i++) sum += r.samples.state[i] === state && r.samples.t[i]! >= lo && r.samples.t[i]! < hi ? 1 : 0
    if (source === 'wait' || source === 'blame' || source === 'locks')
      for (let i = t.waits[0]; i < t.waits[1]; i++) {
        const lock = r.waits.lock[i]!
        if ((f.lock === null || f.lock === lock) && isGil(lock) === (source !== 'locks')) sum += part(r.waits.t0[i]!, r.waits.t1[i]!)
      }
    if (source === 'blocked')
      for (let i = t.intervals[0]; i < t.intervals[1]; i++) {
        const s = r.intervals.state[i]!
        if ((s === State.Blocked || s === State.Sleep) && (f.lock === null || r.intervals.lock[i] === f.lock)) sum += part(r.intervals.t0[i]!, r.intervals.t1[i]!)
      }
    const counted = source === 'blocked' ? [State.Blocked, State.Sleep] : source === 'locks' ? [State.WaitLock] : [State.WaitGil]
    if (source !== 'gil' && source !== 'nogil')
      for (let i = t.tallies[0]; i < t.tallies[1]; i++) {
        const a = r.tallies.t0[i]!, b = r.tallies.t1[i]!
        if (counted.includes(r.tallies.state[i]!) && (f.lock === null || f.lock === r.tallies.lock[i])) sum += Math.round((r.tallies.ns[i]! * part(a, b)) / (b - a))
      }
  })
  return sum
}

function sumsOf(source: FlameSource, filter: Filter, byThread = false): StackSums {
  const sums = new StackSums(byThread)
  readSource(rec, source, filter, sums)
  return sums
}

for (const source of SOURCE_ORDER)
  test(`${source}: the sum of the stacks is the total of the rows, whatever is selected`, () => {
    let seen = 0
    for (const [name, filter] of Object.entries(FILTERS)) {
      const expected = direct(rec, source, filter), sums = sumsOf(source, filter)
      let added = 0
      for (let e = 0; e < sums.n; e++) added += sums.weight(e)
      assert.equal(sums.total, expected, name)
      assert.equal(added, expected, name)
      assert.equal(sourceSize(rec, source, filter).total, expected, name)
      seen += expected
    }
    assert.ok(seen > 0)
  })

test('blame is all the waiting for the GIL, divided among holders', () => {
  for (const filter of Object.values(FILTERS)) assert.equal(sumsOf('blame', filter).total, sumsOf('wait', filter).total)
})

test('sums by thread: of Blame the holder, of waits the waiter', () => {
  const caused = new Map<number, number>(), waited = new Map<number, number>()
  const add = (map: Map<number, number>, key: number, ns: number) => map.set(key, (map.get(key) ?? 0) + ns)
  for (let w = 0; w < rec.waits.n; w++) {
    if (rec.locks[rec.waits.lock[w]!]!.kind !== 'gil') continue
    add(waited, rec.waits.thread[w]!, rec.waits.t1[w]! - rec.waits.t0[w]!)
    for (let c = rec.waits.credits[w]!; c < rec.waits.credits[w + 1]!; c++) add(caused, rec.credits.holder[c]!, rec.credits.ns[c]!)
  }
  for (let i = 0; i < rec.tallies.n; i++) if (rec.tallies.state[i] === State.WaitGil) add(caused, NONE, rec.tallies.ns[i]!)
  const blame = sumsOf('blame', ALL, true), got = new Map<number, number>()
  for (let e = 0; e < blame.n; e++) add(got, blame.thread(e), blame.weight(e))
  assert.deepEqual([...got].sort(), [...caused].sort())
  const wait = sumsOf('wait', { ...ALL, thread: 3 }, true)
  let ns = 0
  for (let e = 0; e < wait.n; e++) ns += wait.thread(e) === 3 && wait.rowOf(e) !== NONE ? wait.weight(e) : 0
  assert.equal(ns, waited.get(3) ?? 0)
})

test('the largest row of a stack is remembered', () => {
  const sums = sumsOf('wait', ALL)
  const longest = new Map<number, number>()
  for (let w = 0; w < rec.waits.n; w++)
    if (rec.locks[rec.waits.lock[w]!]!.kind === 'gil') longest.set(rec.waits.stack[w]!, Math.max(longest.get(rec.waits.stack[w]!) ?? 0, rec.waits.t1[w]! - rec.waits.t0[w]!))
  let checked = 0
  for (let e = 0; e < sums.n; e++) {
    const row = sums.rowOf(e)
    if (row === NONE) continue
    assert.equal(rec.waits.t1[row]! - rec.waits.t0[row]!, longest.get(sums.stack(e)))
    assert.equal(rec.waits.stack[row], sums.stack(e))
    checked++
  }
  assert.ok(checked > 5)
})

test('what a holder did when it did not run is a box of its own', () => {
  const texts = new Set<string>(), sums = sumsOf('blame', ALL)
  for (let e = 0; e < sums.n; e++) texts.add(boxText(rec, sums.leaf(e)))
  const states = new Set<number>()
  for (let c = 0; c < rec.credits.n; c++) states.add(rec.credits.state[c]!)
  assert.ok(states.has(HolderState.Blocked) && [...texts].some((t) => /^blocked in \w+\(\)$/.test(t)), [...texts].join('; '))
  assert.ok(states.has(HolderState.Preempted) && texts.has('preempted: without a CPU'))
})

test('rows come thread by thread, in time order within one', () => {
  const done = new Set<number>()
  let group = NONE, last = -1, total = 0, rows = 0
  readSource(rec, 'wait', ALL, {
    group(thread) {
      assert.ok(!done.has(thread))
      done.add(thread)
      group = thread
      last = -1
    },
    add(_stack, _leaf, weight, thread, row) {
      assert.equal(thread, group)
      total += weight
      rows++
      if (row === NONE) return
      assert.equal(rec.waits.thread[row], thread)
      assert.ok(rec.waits.t0[row]! > last)
      last = rec.waits.t0[row]!
    },
  })
  assert.deepEqual(sourceSize(rec, 'wait', ALL), { total, rows, threads: done.size })
})

test('an empty source says why', () => {
  const none = { ...rec, sampleHz: 0 }
  assert.equal(whyEmpty(none, 'gil', ALL), 'no samples: recorded with -r 0')
  assert.equal(unitNs(none, 'gil'), 0)
  assert.match(whyEmpty(rec, 'wait', { ...ALL, lock: others[0]! }), /Other locks/)
  assert.match(whyEmpty(rec, 'locks', { ...ALL, range: MIDDLE }), /in what is selected/)
})
