/* Sums over everything are those of the facts; sums over pieces add up to those of the whole; a piece is clipped exactly. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Filter } from '../../viewer/html/page/data/aggregate'
import { holderSums, lines, lockSums, pairDetails, pairSums, sums, threadSums, UNSEEN, waitHistogram } from '../../viewer/html/page/data/aggregate'
import type { Recording } from '../../viewer/html/page/data/recording'
import { HolderState, NONE, State } from '../../viewer/html/page/data/recording'
import { synthetic } from './synthetic'

const ALL: Filter = { range: null, process: null, thread: null, lock: null }
const NAMES = ['gil', 'nogil', 'wait_gil', 'wait_lock', 'blocked', 'sleep', 'runnable', 'unknown']
const rec = synthetic({ threads: 9, intervals: 20000, seed: 3, locks: 2 }) /* no counted waits */
const counted = synthetic({ threads: 24, intervals: 20000, seed: 4 }) /* with counted ones */
const several = synthetic({ threads: 16, intervals: 20000, seed: 5, processes: 3, locks: 1 })
const near = (a: number, b: number, what: string) => assert.ok(Math.abs(a - b) <= 1e-6 * Math.max(Math.abs(a), Math.abs(b), 1), `${what}: ${a} is not ${b}`)
const total = <R>(rows: R[], of: (r: R) => number) => rows.reduce((n, r) => n + of(r), 0)

test('threads over everything are the facts', () => {
  for (const r of [rec, several]) {
    const facts = r.facts.processes.flatMap((p) => p.threads)
    for (const t of threadSums(r, ALL)) {
      const f = facts.find((x) => x.tid === r.threads[t.thread]!.tid)!
      for (const state of [0, 1, 2, 3, 4, 5, 6]) near(t.stateNs[state]!, f.states_ns[NAMES[state]!]!, `${f.name} ${NAMES[state]}`)
      near(total([...t.stateNs], (ns) => ns), t.lifeNs, `${f.name} life`)
      near(t.heldNs, f.gil_held_ns, `${f.name} held`)
      near(t.heldPreemptedNs, f.gil_held_preempted_ns, `${f.name} preempted`)
      near(t.heldBlockedNs, f.gil_held_blocked_ns, `${f.name} asleep`)
      assert.deepEqual([t.waits, t.waitNs, t.p50 || null, t.p99 || null, t.max || null], [f.gil_waits, f.gil_wait_ns, f.gil_wait_p50_ns, f.gil_wait_p99_ns, f.gil_wait_max_ns], f.name)
      near(t.causedNs, f.caused_wait_ns, `${f.name} caused`)
    }
  }
})

test('locks over everything are the facts', () => {
  for (const r of [rec, several]) {
    const facts = r.facts.processes.flatMap((p) => p.locks)
    const all = lockSums(r, ALL)
    assert.equal(all.length, r.locks.length)
    for (const l of all) {
      const f = facts.find((x) => x.id === l.lock)!
      assert.deepEqual([l.waits, l.waitNs, l.p50 || null, l.p99 || null, l.max || null], [f.waits, f.wait_ns, f.wait_p50_ns, f.wait_p99_ns, f.wait_max_ns], f.name!)
      if (r.locks[l.lock]!.kind !== 'gil') {
        assert.ok(Number.isNaN(l.utilisation))
        continue
      }
      assert.deepEqual([l.handoffs, l.forced], [f.handoffs, f.forced_handoffs])
      near(l.utilisation, f.utilisation!, 'utilisation')
    }
  }
})

test('counted waits are in the sums, and only there', () => {
  const threads = threadSums(counted, ALL)
  const facts = counted.facts.processes[0]!.threads
  assert.ok(counted.tallies.n > 0)
  for (const t of threads) {
    const f = facts.find((x) => x.tid === counted.threads[t.thread]!.tid)!
    near(t.waits, f.gil_waits, f.name)
    near(t.waitNs, f.gil_wait_ns, f.name)
    near(total([...t.stateNs], (ns) => ns), t.lifeNs, `${f.name}: a partition`)
  }
  const gil = lockSums(counted, ALL).find((l) => counted.locks[l.lock]!.kind === 'gil')!
  near(gil.waitNs, total(threads, (t) => t.waitNs), 'of the GIL')
  assert.ok(gil.countedWaits > 0 && gil.recordedWaits + gil.countedWaits === gil.waits)
  near(total(pairSums(counted, ALL, 'function'), (p) => p.ns), gil.waitNs, 'pairs')
  const unseen = pairSums(counted, ALL, 'function').find((p) => p.holder === UNSEEN && p.waiter === 0)!
  assert.ok(unseen.waits >= gil.countedWaits - 1e-6, `${unseen.waits} of ${gil.countedWaits}`)
  const h = waitHistogram(counted, ALL, gil.lock)
  near(h.waits, gil.waits, 'histogram')
  near(h.ns, gil.waitNs, 'time in the histogram')
})

test('pieces add up to the whole', () => {
  for (const r of [rec, counted, several]) {
    const cuts = [0, 0.1234567, 0.5, 0.71, 1].map((x) => Math.round(x * r.durationNs))
    const pieces = cuts.slice(1).map((t1, i) => ({ ...ALL, range: { t0: cuts[i]!, t1 } }))
    const same = (of: (f: Filter) => number, what: string) => near(total(pieces, of), of(ALL), what)
    for (const state of [State.Gil, State.WaitGil, State.Blocked, State.Sleep, State.WaitLock])
      if (r !== counted) same((f) => total(threadSums(r, f), (t) => t.stateNs[state]!), NAMES[state]!)
    same((f) => total(threadSums(r, f), (t) => t.waitNs), 'waiting')
    same((f) => total(threadSums(r, f), (t) => t.causedNs), 'caused')
    same((f) => total(lockSums(r, f), (l) => l.waitNs), 'waits for locks')
    same((f) => total(lockSums(r, f), (l) => l.heldNs), 'held')
    same((f) => total(lockSums(r, f), (l) => l.handoffs), 'hand-offs')
    same((f) => total(pairSums(r, f, 'line'), (p) => p.ns), 'pairs')
    same((f) => total(waitHistogram(r, f, 0).bins, (b) => b.ns), 'histogram')
    same((f) => total(holderSums(r, f, 0), (h) => h.ns), 'holders')
  }
})

/* The same by the plainest loop there is. */
function waitingIn(r: Recording, t0: number, t1: number, wanted: (row: number) => boolean): { n: number; ns: number } {
  let n = 0, ns = 0
  for (let i = 0; i < r.waits.n; i++) {
    const part = Math.min(r.waits.t1[i]!, t1) - Math.max(r.waits.t0[i]!, t0)
    if (part <= 0 || !wanted(i)) continue
    n++
    ns += part
  }
  return { n, ns }
}

test('a range cuts waits where it cuts them', () => {
  const gil = (i: number) => rec.locks[rec.waits.lock[i]!]!.kind === 'gil'
  for (const [a, b] of [[0.2, 0.3], [0.25, 0.2501], [0.9, 1], [0.5, 0.50000001]] as const) {
    const range = { t0: Math.round(a * rec.durationNs), t1: Math.round(b * rec.durationNs) }
    const f = { ...ALL, range }
    for (const t of threadSums(rec, f)) {
      const plain = waitingIn(rec, range.t0, range.t1, (i) => gil(i) && rec.waits.thread[i] === t.thread)
      assert.equal(t.waits, plain.n)
      near(t.waitNs, plain.ns, 'waiting')
      near(total([...t.stateNs], (ns) => ns), range.t1 - range.t0, 'a partition of the range')
    }
    near(total(pairSums(rec, f, 'function'), (p) => p.ns), waitingIn(rec, range.t0, range.t1, gil).ns, 'pairs')
  }
})

test('one wait cut in half gives half of each credit', () => {
  const row = rec.waits.thread.findIndex((_, i) => rec.waits.credits[i + 1]! - rec.waits.credits[i]! > 1 && rec.locks[rec.waits.lock[i]!]!.kind === 'gil')
  const t0 = rec.waits.t0[row]!, t1 = rec.waits.t1[row]!
  const thread = rec.waits.thread[row]!
  const mine = (f: Filter) => pairSums(rec, f, 'thread').filter((p) => p.waiter === thread)
  const whole = mine({ ...ALL, thread, range: { t0, t1 } }), half = mine({ ...ALL, thread, range: { t0, t1: (t0 + t1) / 2 } })
  assert.ok(whole.length > 0)
  near(total(whole, (p) => p.ns), t1 - t0, 'all of it')
  near(total(half, (p) => p.ns), (t1 - t0) / 2, 'half of it')
  for (const p of half) near(p.ns, whole.find((w) => w.holder === p.holder)!.ns / 2, 'each')
})

test('filters leave what they name', () => {
  const thread = threadSums(several, ALL).sort((a, b) => b.waitNs - a.waitNs)[0]!.thread
  const process = several.threads[thread]!.process
  assert.ok(threadSums(several, { ...ALL, process }).every((t) => several.threads[t.thread]!.process === process))
  assert.ok(lockSums(several, { ...ALL, process }).every((l) => several.locks[l.lock]!.process === process))
  for (const p of pairSums(several, { ...ALL, thread }, 'thread')) assert.ok(p.waiter === thread || p.holder === thread)
  const other = several.locks.findIndex((l) => l.kind !== 'gil' && l.process === process)
  near(total(pairSums(several, { ...ALL, lock: other }, 'function'), (p) => p.ns), lockSums(several, ALL).find((l) => l.lock === other)!.waitNs, 'another lock')
  const gil = several.locks.findIndex((l) => l.kind === 'gil' && l.process === process)
  near(waitHistogram(several, { ...ALL, thread }, gil).ns, threadSums(several, ALL).find((t) => t.thread === thread)!.waitNs, 'waits of one thread')
})

test('pairs: states add up, lines belong to functions, details to their pair', () => {
  const l = lines(rec)
  const byLine = pairSums(rec, ALL, 'line'), byFunction = pairSums(rec, ALL, 'function')
  near(total(byLine, (p) => p.ns), total(byFunction, (p) => p.ns), 'lines and functions')
  assert.ok(byLine.length >= byFunction.length)
  for (const p of byFunction) {
    near(total([...p.byState], (ns) => ns), p.ns, 'states')
    const fold = (id: number) => (id === UNSEEN ? id : l.functionOf[id]!)
    near(total(byLine.filter((x) => fold(x.waiter) === p.waiter && fold(x.holder) === p.holder), (x) => x.ns), p.ns, 'its lines')
  }
  const [top, second] = byFunction
  const [d] = pairDetails(rec, ALL, 'function', [top!, second!], 10)
  assert.equal(l.functionOf[l.ofStack[d!.waiterStack]!], top!.waiter)
  assert.equal(l.functionOf[l.ofStack[d!.holderStack]!], top!.holder)
  assert.equal(d!.waits.length, Math.min(10, top!.waits))
  for (let i = 1; i < d!.waits.length; i++) assert.ok(d!.waits[i - 1]!.ns >= d!.waits[i]!.ns)
  const all = pairDetails(rec, ALL, 'function', [top!], 1e9)[0]!
  assert.equal(all.waits.length, top!.waits)
  near(total(all.waits, (w) => w.ns), top!.ns, 'its waits')
})

test('a recording without anything', () => {
  const none = synthetic({ threads: 1, intervals: 1, seed: 1 })
  const empty: Recording = { ...none, threads: [], locks: [], processes: [], durationNs: 0 }
  assert.deepEqual(threadSums(empty, ALL), [])
  assert.deepEqual(lockSums(empty, ALL), [])
  assert.deepEqual(pairSums(empty, ALL, 'line'), [])
  assert.equal(lockSums(none, { ...ALL, range: { t0: 0, t1: 1 } }).length, none.locks.length)
  assert.equal(HolderState.Unknown, 3)
  assert.equal(UNSEEN, NONE)
})

test('the same question is answered once', () => {
  assert.equal(sums(rec, { ...ALL }), sums(rec, { ...ALL }))
  assert.notEqual(sums(rec, { ...ALL }), sums(rec, { ...ALL, thread: 1 }))
})

test('a percentile that is the mean of counted waits says so, one that is the length of a recorded wait does not', () => {
  const lock = rec.locks.findIndex((l) => l.kind === 'gil'), lengths = Array.from({ length: rec.waits.n }, (_, w) => w).filter((w) => rec.waits.lock[w] === lock).map((w) => rec.waits.t1[w]! - rec.waits.t0[w]!)
  const tally = (ns: number): Recording => {
    const n = 1000 * lengths.length, one = (v: number) => Float64Array.of(v)
    const threads = rec.threads.map((t, i): typeof t => ({ ...t, tallies: [i ? 1 : 0, 1] }))
    return { ...rec, threads, tallies: { n: 1, t0: one(0), t1: one(rec.durationNs), state: Uint8Array.of(State.WaitGil), flags: Uint8Array.of(0), lock: Uint32Array.of(lock), count: one(n), ns: one(n * ns) } }
  }
  const [none, short] = [rec, tally(500)].map((r) => lockSums(r, ALL).find((l) => l.lock === lock)!)
  assert.deepEqual([none!.about, short!.about, short!.p50, short!.countedWaits], [false, true, 500, 1000 * lengths.length])
  assert.equal(threadSums(tally(500), ALL)[0]!.about, true)
  assert.equal(lockSums(tally(500), { ...ALL, range: { t0: 0, t1: rec.durationNs / 2 } }).find((l) => l.lock === lock)!.about, true)
})
