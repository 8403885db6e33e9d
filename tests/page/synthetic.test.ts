import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NONE, State, STATES } from '../../viewer/html/page/data/recording'
import { synthetic } from './synthetic'

const options = { threads: 12, intervals: 20000, seed: 7, locks: 2, processes: 2 }

test('rows of a thread are in order, do not overlap and lie within the recording', () => {
  const r = synthetic(options)
  assert.ok(r.intervals.n >= options.intervals * 0.9, `${r.intervals.n}`)
  assert.equal(r.threads.length, 12)
  for (const t of r.threads) {
    assert.ok(t.intervals[1] > t.intervals[0], t.name)
    for (let i = t.intervals[0]; i < t.intervals[1]; i++) {
      assert.ok(r.intervals.t0[i]! < r.intervals.t1[i]! && r.intervals.t1[i]! <= r.durationNs && r.intervals.state[i]! < STATES)
      if (i > t.intervals[0]) assert.ok(r.intervals.t1[i - 1]! <= r.intervals.t0[i]!)
    }
    for (let i = t.waits[0]; i < t.waits[1]; i++) assert.equal(r.threads[r.waits.thread[i]!], t)
    for (let i = t.samples[0] + 1; i < t.samples[1]; i++) assert.ok(r.samples.t[i - 1]! < r.samples.t[i]!)
  }
})

test('the credits of a wait add up to its length', () => {
  const r = synthetic(options)
  assert.ok(r.waits.n > 1000)
  for (let w = 0; w < r.waits.n; w++) {
    let ns = 0
    for (let c = r.waits.credits[w]!; c < r.waits.credits[w + 1]!; c++) ns += r.credits.ns[c]!
    assert.equal(ns, r.waits.t1[w]! - r.waits.t0[w]!)
  }
  assert.equal(r.waits.credits[r.waits.n], r.credits.n)
})

test('one thread at a time holds a lock, and every hand-off ends a wait', () => {
  const r = synthetic(options)
  for (const [id, l] of r.locks.entries()) {
    for (let h = l.holds[0]; h < l.holds[1]; h++) {
      assert.equal(r.holds.lock[h], id)
      if (h > l.holds[0]) assert.ok(r.holds.t0[h]! >= r.holds.t1[h - 1]!)
    }
    assert.ok(l.handoffs[1] > l.handoffs[0], l.name)
    for (let h = l.handoffs[0]; h < l.handoffs[1]; h++) assert.ok(r.handoffs.from[h] !== NONE && r.handoffs.acquire[h]! >= r.handoffs.release[h]!)
  }
})

test('callers have smaller numbers, and the states of a thread fill its life', () => {
  const r = synthetic(options)
  for (let n = 1; n < r.stacks.parent.length; n++) assert.ok(r.stacks.parent[n]! < n)
  assert.ok(r.stacks.function.length > 100)
  for (const t of r.facts.processes[0]!.threads) {
    const ns = Object.values(t.states_ns).reduce((a, b) => a + b, 0)
    assert.ok(Math.abs(ns - r.durationNs) < 0.02 * r.durationNs + 2e6 || t.name.startsWith('pinger'), `${t.name} ${ns} of ${r.durationNs}`)
  }
})

test('the same options give the same rows', () => {
  assert.deepEqual(synthetic(options).intervals, synthetic(options).intervals)
  assert.notDeepEqual(synthetic(options).intervals.t0, synthetic({ ...options, seed: 8 }).intervals.t0)
  assert.equal(State.Unknown, STATES - 1)
})
