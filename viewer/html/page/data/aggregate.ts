/* Sums over a piece of the recording: what every view shows while an area is selected.  Pure; a scan of the rows, at most
 * some tens of milliseconds for a million.  A wait that lies partly in the range counts with that part of its time, and
 * its credits in proportion; its length in percentiles and histograms is the whole one.  Over everything the sums are
 * those of the facts (core/analysis, core/store/reader_*.c), rule by rule. */
import { ceil, f64, floor, max, min, u32 } from './math'
import type { Range, Recording } from './recording'
import type { ViewState } from '../state'
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
  about: boolean /* one of those is the mean of waits that were only counted */
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
  about: boolean
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
  const ofFrame = u32(s.frame.length ? s.function.length : 0)
  const functionOf = [0]
  const frame = [0]
  const ofStack = u32(s.node.length)
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
  const ns = min(t1, r.t1) - max(t0, r.t0)
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
  values = f64(256)
  n = 0
  max = 0
  tallies: { n: number; ns: number }[] = []
  counted = 0
  about = false /* a percentile that was asked for is a mean of counted ones */

  add(ns: number): void {
    if (this.n === this.values.length) {
      const more = f64(this.n * 4)
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
    if (!this.tallies.length) return nth(this.values, this.n, ceil(this.n * q - 1e-9) - 1)
    const rank = q * n - 1e-9
    this.tallies.sort((x, y) => x.ns - y.ns)
    /* the first tally at which enough are as long or shorter; what is looked for is it, or a recorded one before it */
    let before = 0
    let at = 0
    for (let hi = this.tallies.length; at < hi;) {
      const mid = (at + hi) >>> 1
      let counted = 0
      for (let i = 0; i <= mid; i++) counted += this.tallies[i]!.n
      if (counted + this.upTo(this.tallies[mid]!.ns) >= rank) hi = mid
      else at = mid + 1
    }
    for (let i = 0; i < at; i++) before += this.tallies[i]!.n
    const wanted = max(1, ceil(rank - before))
    const recorded = wanted <= this.n ? nth(this.values, this.n, wanted - 1) : Infinity
    const mean = at < this.tallies.length ? this.tallies[at]!.ns : Infinity
    if (mean <= recorded) this.about = true
    return min(recorded, mean)
  }

  /* How many recorded ones are at most as long. */
  private upTo(ns: number): number {
    let n = 0
    for (let i = 0; i < this.n; i++) if (this.values[i]! <= ns) n++
    return n
  }

  longest(): number {
    return this.n ? this.max : this.tallies.reduce((most, t) => max(most, t.ns), 0)
  }
}

/* Everything that is summed for one filter, each part when it is first asked for. */
export class Sums {
  readonly spanNs: number
  private threadRows: ThreadSums[] | null = null
  private lockRows: LockSums[] | null = null
  private readonly pairRows = new Map<PairUnit, PairSums[]>()

  constructor(readonly rec: Recording, readonly filter: Filter) {
    this.spanNs = filter.range ? filter.range.t1 - filter.range.t0 : rec.durationNs
  }

  get threads(): ThreadSums[] { return (this.threadRows ??= threadSums(this.rec, this.filter)) }
  get locks(): LockSums[] { return (this.lockRows ??= lockSums(this.rec, this.filter)) }

  pairs(unit: PairUnit): PairSums[] {
    let rows = this.pairRows.get(unit)
    if (!rows) this.pairRows.set(unit, (rows = pairSums(this.rec, this.filter, unit)))
    return rows
  }
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
  recent.length = min(recent.length, 4)
  return recent[0]!
}

export function filterOf(state: Pick<ViewState, 'selection' | 'process' | 'thread' | 'lock'>): Filter {
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
    const taken = min(s.stateNs[state]!, want, excess)
    s.stateNs[state]! -= taken
    excess -= taken
    return taken
  }
  take(State.Unknown, excess)
  for (const state of [State.NoGil, State.Gil, State.Runnable]) {
    const taken = take(state, inferred[state]!)
    if (state === State.Gil) s.heldNs -= min(taken, s.heldNs)
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
  const inferred = f64(STATES)
  const t = rec.threads[thread]!
  const [from, to] = rowsIn(rec.intervals, t.intervals, r)
  for (let i = from; i < to; i++) {
    let ns = t1[i]! - t0[i]!
    if (r && (t0[i]! < r.t0 || t1[i]! > r.t1)) ns = max(0, min(t1[i]!, r.t1) - max(t0[i]!, r.t0))
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
    const life = f.range ? min(t.last, f.range.t1) - max(t.first, f.range.t0) : t.last - t.first
    if (f.range && life <= 0) continue
    const s: ThreadSums = {
      thread: i, lifeNs: max(0, life), stateNs: f64(STATES), heldNs: 0, heldBlockedNs: 0, heldPreemptedNs: 0,
      waits: 0, waitNs: 0, p50: 0, p99: 0, about: false, max: 0, causedNs: caused[i]!, spinNs: 0,
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
    s.about = lengths.about
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
  const caused = f64(rec.threads.length)
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
    lock, waits: 0, waitNs: 0, p50: 0, p99: 0, about: false, max: 0, handoffs: 0, forced: 0, heldNs: 0, utilisation: NaN, countedWaits: 0, wakeNs: 0,
    recordedWaits: 0, stack: 0,
  }))
  const first = f64(rec.locks.length).fill(Infinity)
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
    s.about = l.about
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
    const from = max(t0[i]!, end)
    const to = f.range ? min(t1[i]!, f.range.t1) : t1[i]!
    if (to > from) {
      s.heldNs += to - from
      end = to
    }
  }
  if (lock.holds[0] === lock.holds[1] && onlyGil(rec, s.lock))
    for (const t of threadSums(rec, { ...f, process: lock.process })) s.heldNs += t.heldNs
  s.utilisation = span > 0 ? min(1, s.heldNs / span) : 0
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
    s.max = max(s.max, ns)
  }
  return [...by.values()].sort((a, b) => b.ns - a.ns)
}

/* Pairs */

/* Which pair a credit belongs to, as one number: waiter * places + holder, the last place being UNSEEN.  Lines by stack are
 * looked up beforehand: there are many more credits than stacks. */
class PairKeys {
  readonly places: number
  private readonly ofStack: Uint32Array

  private readonly byThread: boolean
  private readonly waiters: Uint32Array
  private readonly holders: Uint32Array
  private readonly stacks: Uint32Array
  readonly unseen: number

  constructor(rec: Recording, unit: PairUnit) {
    const l = lines(rec)
    this.byThread = unit === 'thread'
    this.waiters = this.byThread ? rec.waits.thread : rec.waits.stack
    this.holders = rec.credits.holder
    this.stacks = rec.credits.stack
    this.unseen = this.byThread ? rec.threads.length : l.n
    this.places = this.unseen + 1
    this.ofStack = unit === 'function' ? l.ofStack.map((line) => l.functionOf[line]!) : l.ofStack
  }

  waiter(row: number): number {
    const of = this.waiters[row]!
    return this.byThread ? of : this.ofStack[of]!
  }

  holder(credit: number): number {
    const held = this.holders[credit]!
    if (this.byThread) return held < this.unseen ? held : this.unseen
    const stack = this.stacks[credit]!
    return stack === 0 && held === NONE ? this.unseen : this.ofStack[stack]!
  }

  key(pair: PairSums): number {
    return pair.waiter * this.places + (pair.holder === UNSEEN ? this.unseen : pair.holder)
  }

  pair(key: number, lock: number): PairSums {
    const holder = key % this.places
    return { waiter: floor(key / this.places), holder: holder === this.unseen ? UNSEEN : holder, lock, ns: 0, waits: 0, byState: f64(4) }
  }
}

/* Dense where the keys are few, because most credits fall into few pairs. */
const DENSE_MAX = 1 << 22

const STATES_OF_HOLDER = 4

class PairRows {
  private n = 0
  private readonly dense: Uint32Array | null
  private readonly sparse = new Map<number, number>()
  private keysOf: Float64Array = f64(1024)
  private locks: Uint32Array = u32(1024)
  private last: Uint32Array = u32(1024)
  private waits: Float64Array = f64(1024)
  private ns: Float64Array = f64(1024 * STATES_OF_HOLDER)

  constructor(private readonly keys: PairKeys) {
    const n = keys.places * keys.places
    this.dense = n <= DENSE_MAX ? u32(n) : null
  }

  add(key: number, wait: number, waits: number, state: number, ns: number, lock: number): void {
    const known = this.dense ? this.dense[key]! : this.sparse.get(key) ?? 0
    const at = known ? known - 1 : this.make(key, lock)
    this.ns[at * STATES_OF_HOLDER + state]! += ns
    if (this.last[at] === wait && wait !== NONE) return
    this.last[at] = wait
    this.waits[at]! += waits
  }

  private make(key: number, lock: number): number {
    if (this.n === this.keysOf.length) this.grow()
    const at = this.n++
    this.keysOf[at] = key
    this.locks[at] = lock
    this.last[at] = NONE
    if (this.dense) this.dense[key] = this.n
    else this.sparse.set(key, this.n)
    return at
  }

  private grow(): void {
    const more = <T extends Float64Array | Uint32Array>(from: T, make: (n: number) => T): T => {
      const to = make(from.length * 2)
      to.set(from)
      return to
    }
    const doubles = (from: Float64Array) => more(from, (n) => f64(n))
    const numbers = (from: Uint32Array) => more(from, (n) => u32(n))
    this.keysOf = doubles(this.keysOf)
    this.waits = doubles(this.waits)
    this.ns = doubles(this.ns)
    this.locks = numbers(this.locks)
    this.last = numbers(this.last)
  }

  rows(): PairSums[] {
    return Array.from({ length: this.n }, (_, at) => {
      const byState = this.ns.slice(at * STATES_OF_HOLDER, (at + 1) * STATES_OF_HOLDER)
      return { ...this.keys.pair(this.keysOf[at]!, this.locks[at]!), ns: byState.reduce((a, b) => a + b, 0), waits: this.waits[at]!, byState }
    })
  }
}

export function pairSums(rec: Recording, f: Filter, unit: PairUnit): PairSums[] {
  const keys = new PairKeys(rec, unit)
  const pairs = new PairRows(keys)
  const { holder, ns, state } = rec.credits
  const { t0, t1, thread, lock, credits } = rec.waits
  const { unseen, places } = keys
  const meantLocks = meant(rec, f)
  eachWait(rec, f, meantLocks, (row, share) => {
    const mine = f.thread === null || thread[row] === f.thread
    const from = keys.waiter(row) * places
    let rest = t1[row]! - t0[row]!
    for (let c = credits[row]!; c < credits[row + 1]!; c++) {
      rest -= ns[c]!
      if (mine || holder[c] === f.thread) pairs.add(from + keys.holder(c), row, 1, state[c]!, share * ns[c]!, lock[row]!)
    }
    if (rest >= 1 && mine) pairs.add(from + unseen, row, 1, HolderState.Unknown, share * rest, lock[row]!)
  })
  eachTally(rec, f, (row, share, of) => {
    const y = rec.tallies
    if (!meantLocks[y.lock[row]!]) return
    pairs.add((unit === 'thread' ? of : 0) * places + unseen, NONE, share * y.count[row]!, HolderState.Unknown, share * y.ns[row]!, y.lock[row]!)
  })
  return pairs.rows().sort((a, b) => b.ns - a.ns)
}

/* Nanoseconds by two ids. */
class ByTwo {
  private size = 256
  private n = 0
  private first = u32(this.size)
  private second = u32(this.size)
  private ns = f64(this.size) /* 0: nothing here */

  add(a: number, b: number, ns: number): void {
    if (this.n * 2 > this.size) this.grow()
    const mask = this.size - 1
    let at = (Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b)) >>> 8 & mask
    while (this.ns[at] && (this.first[at] !== a || this.second[at] !== b)) at = (at + 1) & mask
    if (!this.ns[at]) {
      this.n++
      this.first[at] = a
      this.second[at] = b
    }
    this.ns[at]! += ns
  }

  private grow(): void {
    const { first, second, ns } = this
    this.n = 0
    this.size *= 4
    this.first = u32(this.size)
    this.second = u32(this.size)
    this.ns = f64(this.size)
    for (let i = 0; i < ns.length; i++) if (ns[i]) this.add(first[i]!, second[i]!, ns[i]!)
  }

  most(): [number, number] {
    const at = this.ns.reduce((best, ns, i) => (ns > this.ns[best]! ? i : best), 0)
    return [this.first[at]!, this.second[at]!]
  }
}

/* What is gathered of one pair: time by thread, by pair of stacks, by system call, by wait.  The credits of a wait come
 * one after the other. */
class PairGathering {
  private readonly waiters: Float64Array
  private readonly holders: Float64Array
  private readonly stacks = new ByTwo()
  private readonly calls = new Map<number, number>()
  private readonly waits: { row: number; ns: number }[] = [] /* longest first */
  private last = { row: NONE, ns: 0 }

  constructor(private readonly rec: Recording, private readonly most: number) {
    this.waiters = f64(rec.threads.length)
    this.holders = f64(rec.threads.length)
  }

  add(row: number, credit: number, ns: number): void {
    if (!(ns > 0)) return
    const { waits, credits } = this.rec
    if (row !== this.last.row) {
      this.endWait()
      this.last = { row, ns: 0 }
    }
    this.last.ns += ns
    this.waiters[waits.thread[row]!]! += ns
    this.stacks.add(waits.stack[row]!, credit === NONE ? 0 : credits.stack[credit]!, ns)
    if (credit === NONE) return
    if (credits.holder[credit] !== NONE) this.holders[credits.holder[credit]!]! += ns
    if (credits.state[credit] === HolderState.Blocked) this.calls.set(credits.nr[credit]!, (this.calls.get(credits.nr[credit]!) ?? 0) + ns)
  }

  private endWait(): void {
    const { waits, last, most } = this
    if (last.row === NONE || !most || (waits.length === most && waits[most - 1]!.ns >= last.ns)) return
    let lo = 0
    for (let hi = waits.length; lo < hi;) {
      const mid = (lo + hi) >>> 1
      if (waits[mid]!.ns >= last.ns) lo = mid + 1
      else hi = mid
    }
    waits.splice(lo, 0, last)
    if (waits.length > most) waits.pop()
  }

  detail(): PairDetail {
    this.endWait()
    const ranked = (by: Float64Array) => [...by.keys()].filter((t) => by[t]).sort((a, b) => by[b]! - by[a]!)
    const [waiterStack, holderStack] = this.stacks.most()
    const nr = [...this.calls].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 0
    return { waiters: ranked(this.waiters), holders: ranked(this.holders), waiterStack, holderStack, nr, waits: this.waits }
  }
}

/* The rows behind some pairs, one pass for all; of each the `most` longest waits. */
export function pairDetails(rec: Recording, f: Filter, unit: PairUnit, pairs: PairSums[], most = 0): PairDetail[] {
  const keys = new PairKeys(rec, unit)
  const found = pairs.map(() => new PairGathering(rec, most))
  /* by waiter, then by holder */
  const wanted = new Map<number, (PairGathering | undefined)[]>()
  pairs.forEach((p, i) => {
    const of = wanted.get(p.waiter) ?? new Array<PairGathering | undefined>(keys.places).fill(undefined)
    of[keys.key(p) % keys.places] = found[i]
    wanted.set(p.waiter, of)
  })
  const { holder, ns } = rec.credits
  const { t0, t1, thread, credits } = rec.waits
  if (pairs.length) eachWait(rec, f, meant(rec, f), (row, share) => {
    const of = wanted.get(keys.waiter(row))
    if (!of) return
    const mine = f.thread === null || thread[row] === f.thread
    let rest = t1[row]! - t0[row]!
    for (let c = credits[row]!; c < credits[row + 1]!; c++) {
      rest -= ns[c]!
      if (mine || holder[c] === f.thread) of[keys.holder(c)]?.add(row, c, share * ns[c]!)
    }
    if (rest >= 1 && mine) of[keys.unseen]?.add(row, NONE, share * rest)
  })
  return found.map((f) => f.detail())
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
    bins[max(0, at)]!.waits += n
    bins[max(0, at)]!.ns += ns
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
