/* Sums over a piece of the recording: what every view shows while an area is selected.  Pure; a scan of the rows, at most
 * some tens of milliseconds for a million.  A wait that lies partly in the range counts with that part of its time, and
 * its credits in proportion; its length in percentiles and histograms is the whole one.  Over everything the sums are
 * those of the facts (core/analysis, core/store/reader_*.c), rule by rule. */
import type { Range, Recording } from './recording'
import { HolderState, IntervalFlag, NONE, State, STATES } from './recording'

export interface Filter {
  range: Range | null
  process: number | null
  thread: number | null
  lock: number | null
}

export interface ThreadSums {
  thread: number
  lifeNs: number
  stateNs: Float64Array /* by State; adds up to the life */
  heldNs: number
  heldBlockedNs: number
  heldPreemptedNs: number
  waits: number /* for a GIL, or for the lock of the filter */
  waitNs: number
  p50: number
  p99: number
  max: number
  causedNs: number
  spinNs: number /* sampled */
}

export interface LockSums {
  lock: number
  waits: number
  waitNs: number
  p50: number
  p99: number
  max: number
  handoffs: number
  forced: number
  heldNs: number
  utilisation: number /* NaN: holds of such a lock are not seen */
  countedWaits: number /* of waits: known by number only */
  wakeNs: number /* from being woken to running, of recordedWaits */
  recordedWaits: number
  stack: number /* of the first wait, 0 none */
}

/* One waiter line by one holder line, one function by one, or one thread by one. */
export interface PairSums {
  waiter: number /* a line of Lines, 0 no Python stack; or a thread */
  holder: number /* likewise, or UNSEEN */
  lock: number /* one of those it is about */
  ns: number
  waits: number
  byState: Float64Array /* HolderState */
}
export type PairUnit = 'line' | 'function' | 'thread'
/* The holder was not seen, or the wait was only counted. */
export const UNSEEN = NONE

/* The rows behind a pair. */
export interface PairDetail {
  waiters: number[] /* threads, most time first */
  holders: number[]
  waiterStack: number /* the costliest two stacks in it */
  holderStack: number
  nr: number /* system call + 1 the holder was blocked in most, 0 none */
  waits: { row: number; ns: number }[] /* longest first, at most `most` */
}

export interface HolderSums { thread: number; holds: number; ns: number; blocked: number; preempted: number; max: number }

export interface Bin { from: number; to: number; multiple: number; waits: number; ns: number }
export interface Histogram { bins: Bin[]; waits: number; ns: number }

/* Lines of code: frames that look the same to a person are one. */
export interface Lines {
  ofStack: Uint32Array /* the innermost line of a stack, 0 none */
  functionOf: Uint32Array /* of a line: the first line of its function (and file) */
  frame: Uint32Array /* of a line: a frame of it */
  n: number
}

const linesOf = new WeakMap<Recording, Lines>()

export function lines(rec: Recording): Lines {
  let l = linesOf.get(rec)
  if (!l) linesOf.set(rec, (l = makeLines(rec)))
  return l
}

function makeLines(rec: Recording): Lines {
  const s = rec.stacks
  const known = new Map<string, number>()
  const functions = new Map<string, number>()
  const ofFrame = new Uint32Array(s.frame.length ? s.function.length : 0)
  const functionOf = [0]
  const frame = [0]
  const ofStack = new Uint32Array(s.node.length)
  for (let stack = 1; stack < s.node.length; stack++) {
    const node = s.node[stack]!
    if (!node) continue
    const f = s.frame[node]!
    if (!ofFrame[f]) {
      const name = `${s.function[f]} ${s.file[f]}`
      const key = `${name} ${s.line[f]}`
      let line = known.get(key)
      if (line === undefined) {
        known.set(key, (line = frame.length))
        frame.push(f)
        if (!functions.has(name)) functions.set(name, line)
        functionOf.push(functions.get(name)!)
      }
      ofFrame[f] = line
    }
    ofStack[stack] = ofFrame[f]!
  }
  return { ofStack, functionOf: Uint32Array.from(functionOf), frame: Uint32Array.from(frame), n: frame.length }
}

/* The first row in [from, to) whose value is not below t. */
function lowerBound(a: Float64Array, from: number, to: number, t: number): number {
  while (from < to) {
    const mid = (from + to) >>> 1
    if (a[mid]! < t) from = mid + 1
    else to = mid
  }
  return from
}

/* Rows [from, to) of one thread or lock that touch the range; they follow one another. */
function rowsIn(table: { t0: Float64Array; t1: Float64Array }, [from, to]: [number, number], r: Range | null): [number, number] {
  return r ? [lowerBound(table.t1, from, to, r.t0), lowerBound(table.t0, from, to, r.t1)] : [from, to]
}

/* The part of t0..t1 in the range, 0 to 1. */
function part(t0: number, t1: number, r: Range | null): number {
  if (!r) return 1
  if (t1 <= t0) return t0 >= r.t0 && t0 < r.t1 ? 1 : 0
  const ns = Math.min(t1, r.t1) - Math.max(t0, r.t0)
  return ns > 0 ? ns / (t1 - t0) : 0
}

/* The k-th smallest of a[0, n); reorders a. */
function nth(a: Float64Array, n: number, k: number): number {
  let lo = 0
  let hi = n - 1
  while (lo < hi) {
    const mid = (lo + hi) >>> 1
    const x = a[lo]!, y = a[mid]!, z = a[hi]!
    const pivot = x < y ? (y < z ? y : x < z ? z : x) : x < z ? x : y < z ? z : y
    let i = lo
    let j = hi
    while (i <= j) {
      while (a[i]! < pivot) i++
      while (a[j]! > pivot) j--
      if (i <= j) {
        const swap = a[i]!
        a[i++] = a[j]!
        a[j--] = swap
      }
    }
    if (k <= j) hi = j
    else if (k >= i) lo = i
    else break
  }
  return a[k]!
}

/* Waits of one thread or lock: recorded ones by length, and how many were only counted, of what length on average. */
class Lengths {
  values = new Float64Array(256)
  n = 0
  max = 0
  tallies: { n: number; ns: number }[] = []
  counted = 0

  add(ns: number): void {
    if (this.n === this.values.length) {
      const more = new Float64Array(this.n * 4)
      more.set(this.values)
      this.values = more
    }
    this.values[this.n++] = ns
    if (ns > this.max) this.max = ns
  }

  addTally(n: number, ns: number): void {
    if (n <= 0) return
    this.counted += n
    this.tallies.push({ n, ns: ns / n })
  }

  /* Nearest rank, of recorded and counted ones together. */
  quantile(q: number): number {
    const n = this.n + this.counted
    if (n === 0) return 0
    if (!this.tallies.length) return nth(this.values, this.n, Math.ceil(this.n * q - 1e-9) - 1)
    const all = [...this.tallies]
    for (const ns of this.values.subarray(0, this.n)) all.push({ n: 1, ns })
    all.sort((a, b) => a.ns - b.ns)
    let seen = 0
    for (const a of all) if ((seen += a.n) >= q * n - 1e-9) return a.ns
    return all[all.length - 1]!.ns
  }

  longest(): number {
    return this.n ? this.max : this.tallies.reduce((most, t) => Math.max(most, t.ns), 0)
  }
}

/* Everything that is summed for one filter, each part when it is first asked for. */
export class Sums {
  readonly spanNs: number
  private threadRows: ThreadSums[] | null = null
  private lockRows: LockSums[] | null = null
  private pairRows: { [unit in PairUnit]?: PairSums[] } = {}

  constructor(readonly rec: Recording, readonly filter: Filter) {
    this.spanNs = filter.range ? filter.range.t1 - filter.range.t0 : rec.durationNs
  }

  get threads(): ThreadSums[] { return (this.threadRows ??= threadSums(this.rec, this.filter)) }
  get locks(): LockSums[] { return (this.lockRows ??= lockSums(this.rec, this.filter)) }
  pairs(unit: PairUnit): PairSums[] { return (this.pairRows[unit] ??= pairSums(this.rec, this.filter, unit)) }
}

const recent: Sums[] = []

/* The same Sums for the same question: several views ask it. */
export function sums(rec: Recording, filter: Filter): Sums {
  const key = JSON.stringify(filter)
  let at = recent.findIndex((s) => s.rec === rec && JSON.stringify(s.filter) === key)
  if (at < 0) {
    recent.unshift(new Sums(rec, filter))
    at = 0
  } else if (at > 0) {
    recent.unshift(...recent.splice(at, 1))
  }
  recent.length = Math.min(recent.length, 4)
  return recent[0]!
}

export function filterOf(state: { selection: Range | null; process: number | null; thread: number | null; lock: number | null }): Filter {
  return { range: state.selection, process: state.process, thread: state.thread, lock: state.lock }
}

/* Locks whose waits are meant: the one of the filter, else all GILs (waiting for other locks is often idleness). */
function meant(rec: Recording, f: Filter): Uint8Array {
  return Uint8Array.from(rec.locks, (lock, i) =>
    Number(f.lock !== null ? f.lock === i : lock.kind === 'gil' && (f.process === null || lock.process === f.process)))
}

function ofProcess(f: Filter, process: number): boolean {
  return f.process === null || f.process === process
}

/* Threads */

/* Each row's state is the thread's until the next; what no row speaks of is unknown.  Stretches that were only counted lie
 * inside time otherwise concluded to be running, so an excess comes out of what is unknown, then of what is inferred. */
function makePartition(s: ThreadSums, inferred: Float64Array): void {
  let sum = 0
  for (const ns of s.stateNs) sum += ns
  if (sum <= s.lifeNs) {
    s.stateNs[State.Unknown]! += s.lifeNs - sum
    return
  }
  let excess = sum - s.lifeNs
  const take = (state: State, want: number): number => {
    const taken = Math.min(s.stateNs[state]!, want, excess)
    s.stateNs[state]! -= taken
    excess -= taken
    return taken
  }
  take(State.Unknown, excess)
  for (const state of [State.NoGil, State.Gil, State.Runnable]) {
    const taken = take(state, inferred[state]!)
    if (state === State.Gil) s.heldNs -= Math.min(taken, s.heldNs)
  }
}

function addState(s: ThreadSums, state: number, held: boolean, ns: number): void {
  s.stateNs[state]! += ns
  if (state === State.Gil || held) s.heldNs += ns
  if (held && (state === State.Blocked || state === State.Sleep || state === State.WaitLock)) s.heldBlockedNs += ns
  if (held && state === State.Runnable) s.heldPreemptedNs += ns
}

function sumStates(rec: Recording, thread: number, r: Range | null, s: ThreadSums, locks: Uint8Array, lengths: Lengths): void {
  const { t0, t1, state, flags } = rec.intervals
  const inferred = new Float64Array(STATES)
  const t = rec.threads[thread]!
  const [from, to] = rowsIn(rec.intervals, t.intervals, r)
  for (let i = from; i < to; i++) {
    let ns = t1[i]! - t0[i]!
    if (r && (t0[i]! < r.t0 || t1[i]! > r.t1)) ns = Math.max(0, Math.min(t1[i]!, r.t1) - Math.max(t0[i]!, r.t0))
    addState(s, state[i]!, (flags[i]! & IntervalFlag.Held) !== 0, ns)
    if (flags[i]! & IntervalFlag.Inferred) inferred[state[i]!]! += ns
  }
  const y = rec.tallies
  for (let i = t.tallies[0]; i < t.tallies[1]; i++) {
    const share = part(y.t0[i]!, y.t1[i]!, r)
    if (!share) continue
    addState(s, y.state[i]!, (y.flags[i]! & IntervalFlag.Held) !== 0, share * y.ns[i]!)
    if (isWait(y.state[i]!) && locks[y.lock[i]!]) {
      lengths.addTally(share * y.count[i]!, share * y.ns[i]!)
      s.waitNs += share * y.ns[i]!
    }
  }
  makePartition(s, inferred)
}

function isWait(state: number): boolean {
  return state === State.WaitGil || state === State.WaitLock
}

/* The filter's thread is one of those shown, not the only one. */
export function threadSums(rec: Recording, f: Filter): ThreadSums[] {
  const locks = meant(rec, f)
  const caused = causedBy(rec, f)
  const tick = rec.sampleHz > 0 ? 1e9 / rec.sampleHz : 0
  const w = rec.waits
  const all: ThreadSums[] = []
  for (let i = 0; i < rec.threads.length; i++) {
    const t = rec.threads[i]!
    if (!ofProcess(f, t.process)) continue
    const life = f.range ? Math.min(t.last, f.range.t1) - Math.max(t.first, f.range.t0) : t.last - t.first
    if (f.range && life <= 0) continue
    const s: ThreadSums = {
      thread: i, lifeNs: Math.max(0, life), stateNs: new Float64Array(STATES), heldNs: 0, heldBlockedNs: 0, heldPreemptedNs: 0,
      waits: 0, waitNs: 0, p50: 0, p99: 0, max: 0, causedNs: caused[i]!, spinNs: 0,
    }
    const lengths = new Lengths()
    sumStates(rec, i, f.range, s, locks, lengths)
    const [from, to] = rowsIn(w, t.waits, f.range)
    for (let row = from; row < to; row++) {
      const share = locks[w.lock[row]!] ? part(w.t0[row]!, w.t1[row]!, f.range) : 0
      if (!share) continue
      const ns = w.t1[row]! - w.t0[row]!
      lengths.add(ns)
      s.waitNs += ns * share
    }
    s.waits = lengths.n + lengths.counted
    s.max = lengths.longest()
    s.p99 = lengths.quantile(0.99)
    s.p50 = lengths.quantile(0.5)
    s.spinNs = tick * wantingSamples(rec, i, f.range)
    all.push(s)
  }
  return all
}

function wantingSamples(rec: Recording, thread: number, r: Range | null): number {
  const { t, flags } = rec.samples
  const [from, to] = rec.threads[thread]!.samples
  let n = 0
  for (let i = r ? lowerBound(t, from, to, r.t0) : from; i < to && (!r || t[i]! < r.t1); i++) n += flags[i]! & 1
  return n
}

function causedBy(rec: Recording, f: Filter): Float64Array {
  const caused = new Float64Array(rec.threads.length)
  const { credits } = rec.waits
  const { holder, ns } = rec.credits
  eachWait(rec, { ...f, thread: null }, f.lock === null ? null : meant(rec, f), (row, share) => {
    for (let c = credits[row]!; c < credits[row + 1]!; c++) if (holder[c]! !== NONE) caused[holder[c]!]! += share * ns[c]!
  })
  return caused
}

/* Waits of the filter with the share of each that counts; locks null: all. */
function eachWait(rec: Recording, f: Filter, locks: Uint8Array | null, visit: (row: number, share: number) => void): void {
  const { t0, t1, lock } = rec.waits
  for (let i = 0; i < rec.threads.length; i++) {
    const t = rec.threads[i]!
    if (!ofProcess(f, t.process)) continue
    const [from, to] = rowsIn(rec.waits, t.waits, f.range)
    for (let row = from; row < to; row++) {
      if (locks && !locks[lock[row]!]) continue
      const share = part(t0[row]!, t1[row]!, f.range)
      if (share > 0) visit(row, share)
    }
  }
}

function eachTally(rec: Recording, f: Filter, visit: (row: number, share: number, thread: number) => void): void {
  const y = rec.tallies
  for (let i = 0; i < rec.threads.length; i++) {
    const t = rec.threads[i]!
    if (!ofProcess(f, t.process) || (f.thread !== null && f.thread !== i)) continue
    for (let row = t.tallies[0]; row < t.tallies[1]; row++) {
      const share = isWait(y.state[row]!) && y.lock[row]! < rec.locks.length ? part(y.t0[row]!, y.t1[row]!, f.range) : 0
      if (share > 0) visit(row, share, i)
    }
  }
}

/* Locks: waits by the thread of the filter; its lock is one of those shown, not the only one. */
export function lockSums(rec: Recording, f: Filter): LockSums[] {
  const w = rec.waits
  const lengths = rec.locks.map(() => new Lengths())
  const all: LockSums[] = rec.locks.map((_, lock) => ({
    lock, waits: 0, waitNs: 0, p50: 0, p99: 0, max: 0, handoffs: 0, forced: 0, heldNs: 0, utilisation: NaN, countedWaits: 0, wakeNs: 0,
    recordedWaits: 0, stack: 0,
  }))
  const first = new Float64Array(rec.locks.length).fill(Infinity)
  eachWait(rec, f, null, (row, share) => {
    const s = all[w.lock[row]!]
    if (!s || (f.thread !== null && w.thread[row] !== f.thread)) return
    const ns = w.t1[row]! - w.t0[row]!
    lengths[s.lock]!.add(ns)
    s.waitNs += share * ns
    s.wakeNs += w.wakeLatency[row]!
    if (w.t0[row]! < first[s.lock]!) {
      first[s.lock] = w.t0[row]!
      s.stack = w.stack[row]!
    }
  })
  eachTally(rec, f, (row, share) => {
    const y = rec.tallies
    lengths[y.lock[row]!]!.addTally(share * y.count[row]!, share * y.ns[row]!)
    all[y.lock[row]!]!.waitNs += share * y.ns[row]!
  })
  const shown = all.filter((s) => ofProcess(f, rec.locks[s.lock]!.process))
  for (const s of shown) {
    const l = lengths[s.lock]!
    s.recordedWaits = l.n
    s.countedWaits = l.counted
    s.waits = l.n + l.counted
    s.max = l.longest()
    s.p99 = l.quantile(0.99)
    s.p50 = l.quantile(0.5)
    sumHolds(rec, f, s)
  }
  return shown
}

function sumHolds(rec: Recording, f: Filter, s: LockSums): void {
  const lock = rec.locks[s.lock]!
  if (lock.kind !== 'gil') return
  const span = f.range ? f.range.t1 - f.range.t0 : rec.durationNs
  const { t0, t1 } = rec.holds
  let end = f.range ? f.range.t0 : -Infinity
  for (let i = lock.holds[0]; i < lock.holds[1] && (!f.range || t0[i]! < f.range.t1); i++) {
    const from = Math.max(t0[i]!, end)
    const to = f.range ? Math.min(t1[i]!, f.range.t1) : t1[i]!
    if (to > from) {
      s.heldNs += to - from
      end = to
    }
  }
  if (lock.holds[0] === lock.holds[1] && onlyGil(rec, s.lock))
    for (const t of threadSums(rec, { ...f, process: lock.process })) s.heldNs += t.heldNs
  s.utilisation = span > 0 ? Math.min(1, s.heldNs / span) : 0
  const h = rec.handoffs
  const [from, to] = lock.handoffs
  for (let i = f.range ? lowerBound(h.acquire, from, to, f.range.t0) : from; i < to && (!f.range || h.acquire[i]! < f.range.t1); i++) {
    if (f.thread !== null && h.from[i] !== f.thread && h.to[i] !== f.thread) continue
    s.handoffs++
    if (h.forced[i]) s.forced++
  }
}

/* A recording of sums only has no holds: then what the threads held tells how full the only GIL was. */
function onlyGil(rec: Recording, lock: number): boolean {
  return rec.locks.every((k, i) => i === lock || k.kind !== 'gil' || k.process !== rec.locks[lock]!.process)
}

/* Who held a lock. */
export function holderSums(rec: Recording, f: Filter, lock: number): HolderSums[] {
  const { t0, t1, thread, blocked, preempted } = rec.holds
  const by = new Map<number, HolderSums>()
  const [from, to] = rec.locks[lock]!.holds
  for (let i = from; i < to && (!f.range || t0[i]! < f.range.t1); i++) {
    const share = part(t0[i]!, t1[i]!, f.range)
    if (!share) continue
    let s = by.get(thread[i]!)
    if (!s) by.set(thread[i]!, (s = { thread: thread[i]!, holds: 0, ns: 0, blocked: 0, preempted: 0, max: 0 }))
    const ns = t1[i]! - t0[i]!
    s.holds++
    s.ns += share * ns
    s.blocked += share * blocked[i]!
    s.preempted += share * preempted[i]!
    s.max = Math.max(s.max, ns)
  }
  return [...by.values()].sort((a, b) => b.ns - a.ns)
}

/* Pairs */

/* A part of a wait, or a stretch of counted waits (wait NONE). */
interface Part { wait: number; credit: number /* NONE: explained by none */; ns: number; waits: number; thread: number; lock: number }

/* Visits each credit of the filter's waits (a thread: where it waits or holds), what no credit explains, and what was only
 * counted.  The part is the same object each time. */
function eachPart(rec: Recording, f: Filter, visit: (p: Part) => void): void {
  const locks = meant(rec, f)
  const w = rec.waits
  const { holder, ns } = rec.credits
  const p: Part = { wait: 0, credit: 0, ns: 0, waits: 1, thread: 0, lock: 0 }
  eachWait(rec, f, locks, (row, share) => {
    p.wait = row
    p.thread = w.thread[row]!
    p.lock = w.lock[row]!
    const mine = f.thread === null || p.thread === f.thread
    let rest = w.t1[row]! - w.t0[row]!
    for (let c = w.credits[row]!; c < w.credits[row + 1]!; c++) {
      rest -= ns[c]!
      if (!mine && holder[c] !== f.thread) continue
      p.credit = c
      p.ns = share * ns[c]!
      visit(p)
    }
    if (rest < 1 || !mine) return
    p.credit = NONE
    p.ns = share * rest
    visit(p)
  })
  eachTally(rec, f, (row, share, thread) => {
    const y = rec.tallies
    if (locks[y.lock[row]!]) visit({ wait: NONE, credit: NONE, ns: share * y.ns[row]!, waits: share * y.count[row]!, thread, lock: y.lock[row]! })
  })
}

/* Which pair a part belongs to, as one number: waiter * places + holder, the last place being UNSEEN. */
class PairKeys {
  readonly places: number
  readonly of: (p: Part) => number

  constructor(rec: Recording, unit: PairUnit) {
    const l = lines(rec)
    const { holder, stack } = rec.credits
    const waiting = rec.waits.stack
    const places = (unit === 'thread' ? rec.threads.length : l.n) + 1
    this.places = places
    if (unit === 'thread') {
      this.of = (p) => p.thread * places + (p.credit === NONE ? places - 1 : Math.min(holder[p.credit]!, places - 1))
      return
    }
    const group = unit === 'line' ? Uint32Array.from(l.functionOf, (_, i) => i) : l.functionOf
    const ofStack = l.ofStack.map((line) => group[line]!)
    this.of = (p) => {
      const waiter = p.wait === NONE ? 0 : ofStack[waiting[p.wait]!]!
      const unseen = p.credit === NONE || (holder[p.credit] === NONE && !stack[p.credit])
      return waiter * places + (unseen ? places - 1 : ofStack[stack[p.credit]!]!)
    }
  }

  key(pair: PairSums): number {
    return pair.waiter * this.places + (pair.holder === UNSEEN ? this.places - 1 : pair.holder)
  }

  pair(key: number, lock: number): PairSums {
    const holder = key % this.places
    return {
      waiter: Math.floor(key / this.places), holder: holder === this.places - 1 ? UNSEEN : holder, lock, ns: 0, waits: 0,
      byState: new Float64Array(4),
    }
  }
}

export function pairSums(rec: Recording, f: Filter, unit: PairUnit): PairSums[] {
  const keys = new PairKeys(rec, unit)
  const { state } = rec.credits
  const by = new Map<number, { pair: PairSums; last: number }>()
  let at: { pair: PairSums; last: number } | undefined
  let lastKey = -1
  eachPart(rec, f, (p) => {
    const k = keys.of(p)
    if (k !== lastKey || !at) {
      lastKey = k
      at = by.get(k)
      if (!at) by.set(k, (at = { pair: keys.pair(k, p.lock), last: -1 }))
    }
    at.pair.ns += p.ns
    if (p.wait === NONE || at.last !== p.wait) at.pair.waits += p.waits
    at.last = p.wait
    at.pair.byState[p.credit === NONE ? HolderState.Unknown : state[p.credit]!]! += p.ns
  })
  return [...by.values()].map((v) => v.pair).sort((a, b) => b.ns - a.ns)
}

/* The rows behind some pairs, one pass for all; of each the `most` longest waits. */
export function pairDetails(rec: Recording, f: Filter, unit: PairUnit, pairs: PairSums[], most = 0): PairDetail[] {
  const keys = new PairKeys(rec, unit)
  const { holder, state, nr, stack } = rec.credits
  const stacks = rec.stacks.node.length
  const make = () => ({
    waiters: new Map<number, number>(), holders: new Map<number, number>(), stacks: new Map<number, number>(), calls: new Map<number, number>(),
    waits: new Map<number, number>(),
  })
  const found = new Map(pairs.map((p) => [keys.key(p), make()]))
  const add = (map: Map<number, number>, k: number, ns: number) => map.set(k, (map.get(k) ?? 0) + ns)
  if (found.size) eachPart(rec, f, (p) => {
    const d = found.get(keys.of(p))
    if (!d || p.wait === NONE) return
    add(d.waiters, p.thread, p.ns)
    if (most) add(d.waits, p.wait, p.ns)
    add(d.stacks, rec.waits.stack[p.wait]! * stacks + (p.credit === NONE ? 0 : stack[p.credit]!), p.ns)
    if (p.credit === NONE) return
    if (holder[p.credit] !== NONE) add(d.holders, holder[p.credit]!, p.ns)
    if (state[p.credit] === HolderState.Blocked) add(d.calls, nr[p.credit]!, p.ns)
  })
  const byNs = (map: Map<number, number>): number[] => [...map].sort((a, b) => b[1] - a[1]).map(([k]) => k)
  return pairs.map((pair) => {
    const d = found.get(keys.key(pair))!
    const top = byNs(d.stacks)[0] ?? 0
    return {
      waiters: byNs(d.waiters), holders: byNs(d.holders), waiterStack: Math.floor(top / stacks), holderStack: top % stacks,
      nr: byNs(d.calls)[0] ?? 0, waits: byNs(d.waits).slice(0, most).map((row) => ({ row, ns: d.waits.get(row)! })),
    }
  })
}

/* Lengths of waits: decades below a switch interval, multiples of it above, because that is where waits for the GIL pile
 * up (core/analysis/wait_hist.c).  Finer: three to a decade below. */
const MULTIPLES = [1, 2, 3, 4, 8, 16, 32, 128]

function edges(intervalNs: number): { from: number; multiple: number }[] {
  const all = [{ from: 0, multiple: 0 }]
  for (let decade = 1e3; decade < 1e13; decade *= 10)
    for (const step of [1, 2, 5]) {
      if (intervalNs && decade * step >= intervalNs * 0.999) return [...all, ...MULTIPLES.map((m) => ({ from: m * intervalNs, multiple: m }))]
      all.push({ from: decade * step, multiple: 0 })
    }
  return all
}

export function waitHistogram(rec: Recording, f: Filter, lock: number): Histogram {
  const k = rec.locks[lock]!
  const interval = k.kind === 'gil' ? rec.processes[k.process]?.switchIntervalNs ?? 0 : 0
  const marks = edges(interval)
  const from = Float64Array.from(marks, (m) => m.from)
  const bins = marks.map((m, i) => ({ ...m, to: marks[i + 1]?.from ?? Infinity, waits: 0, ns: 0 }))
  const add = (length: number, n: number, ns: number) => {
    const at = lowerBound(from, 0, from.length, length + 0.5) - 1
    bins[Math.max(0, at)]!.waits += n
    bins[Math.max(0, at)]!.ns += ns
  }
  const w = rec.waits
  eachWait(rec, f, meant(rec, { ...f, lock }), (row, share) => {
    if (f.thread !== null && w.thread[row] !== f.thread) return
    const ns = w.t1[row]! - w.t0[row]!
    add(ns, 1, share * ns)
  })
  const y = rec.tallies
  eachTally(rec, f, (row, share) => {
    if (y.lock[row] === lock && y.count[row]! > 0) add(y.ns[row]! / y.count[row]!, share * y.count[row]!, share * y.ns[row]!)
  })
  const all = { waits: 0, ns: 0 }
  for (const b of bins) {
    all.waits += b.waits
    all.ns += b.ns
  }
  return { bins, ...all }
}
