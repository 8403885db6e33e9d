/* The data blocks of the document to a Recording; data.c is the other half.  A report could have been edited by hand:
 * every index is checked, what is out of range becomes NONE (or 0 for a stack), so that no view has to doubt it. */
import { floor, i32, max, min, u32, u8 } from './math'
import { creditsOf, type Pieces } from './credits'
import { type Source, type Table, readTable, readText } from './columns'
import { type Facts, HolderState, HoldFlag, type Lock, NONE, type Recording, type Reduced, STATES, type Thread } from './recording'
import type { Directory, Model } from './wire'

function count(n: unknown, left: number): number {
  const v = floor(Number(n))
  return v > 0 ? min(v, left) : 0
}

/* Ids below n; `less` is subtracted first, so that 0 becomes NONE with 1. */
function ids(column: Float64Array, n: number, less = 0, none = NONE): Uint32Array {
  const out = u32(column.length)
  for (let i = 0; i < column.length; i++) {
    const v = column[i] - less
    out[i] = v >= 0 && v < n ? v : none
  }
  return out
}

function bytes(column: Float64Array, n: number, other = 0): Uint8Array {
  const out = u8(column.length)
  for (let i = 0; i < column.length; i++) out[i] = column[i] < n ? column[i] : other
  return out
}

function words(column: Float64Array): Uint16Array {
  const out = new Uint16Array(column.length)
  for (let i = 0; i < column.length; i++) out[i] = column[i] <= 0xffff ? column[i] : 0
  return out
}

function ends(t0: Float64Array, len: Float64Array): Float64Array {
  const t1 = len
  for (let i = 0; i < t1.length; i++) t1[i] += t0[i]
  return t1
}

function threadsOf(model: Model, rows: number[]): Thread[] {
  const at = [0, 0, 0, 0]
  return model.threads.map((t) => {
    const range = [0, 1, 2, 3].map((k): [number, number] => {
      const from = at[k]
      at[k] += count(t.n?.[k], rows[k] - from)
      return [from, at[k]]
    })
    return {
      process: t.process < model.processes.length ? t.process : NONE,
      tid: t.tid, name: String(t.name), main: t.main === true, first: t.first, last: t.last,
      intervals: range[0], waits: range[1], tallies: range[2], samples: range[3],
    }
  })
}

function locksOf(model: Model, rows: number[]): Lock[] {
  const at = [0, 0]
  return model.locks.map((l) => {
    const range = [0, 1].map((k): [number, number] => {
      const from = at[k]
      at[k] += count(l.n?.[k], rows[k] - from)
      return [from, at[k]]
    })
    const process = l.process < model.processes.length ? l.process : NONE
    const kind = String(l.kind), label = String(l.label)
    return { process, kind, idle: !!l.idle, label, where: String(l.where), name: kind === 'gil' ? label : `${kind} ${label}`, holds: range[0], handoffs: range[1] }
  })
}

/* The group of each row, from the groups' ranges. */
function groups(n: number, ranges: [number, number][]): Uint32Array {
  const out = u32(n).fill(NONE)
  ranges.forEach(([from, to], group) => out.fill(group, from, to))
  return out
}

function intervalsOf(table: Table, model: Model, threads: Thread[], stacks: number): Recording['intervals'] {
  const n = table.rows
  const t0 = table.get('gap')
  const t1 = table.get('len')
  const kind = table.get('kind')
  const state = u8(n)
  const flags = u8(n)
  const nr = new Uint16Array(n)
  const lock = u32(n)
  for (const thread of threads) {
    let end = 0
    for (let i = thread.intervals[0]; i < thread.intervals[1]; i++) {
      t0[i] += end
      t1[i] += t0[i]
      end = t1[i]
    }
  }
  for (let i = 0; i < n; i++) {
    const k = model.kinds[kind[i]] ?? [STATES - 1, 0, 0, 0]
    state[i] = k[0] < STATES ? k[0] : STATES - 1
    flags[i] = k[1]
    lock[i] = k[2] > 0 && k[2] <= model.locks.length ? k[2] - 1 : NONE
    nr[i] = k[3]
  }
  return { n, t0, t1, state, flags, nr, lock, stack: ids(table.get('stack'), stacks, 0, 0) }
}

/* Times told by the intervals of a thread (tables.c). */
interface Spots { at: Int32Array; span: Int32Array; t0: Float64Array; t1: Float64Array }

function spotsOf(table: Table, thread: Uint32Array, threads: Thread[], intervals: Recording['intervals']): Spots {
  const skip = table.get('skip')
  const spans = table.get('span')
  const t0 = table.get('begin')
  const t1 = table.get('end')
  const at = i32(table.rows)
  const span = i32(table.rows)
  const last = threads.map((t) => t.intervals[0])
  for (let i = 0; i < table.rows; i++) {
    const [from, to] = threads[thread[i]]?.intervals ?? [0, 0]
    const last0 = last[thread[i]] ?? 0
    at[i] = -1
    if (from >= to) continue
    const a = min(max(last0 + skip[i], from), to - 1)
    const b = min(a + spans[i], to - 1)
    at[i] = a
    span[i] = b - a + 1
    t0[i] += intervals.t0[a]
    t1[i] = max(t0[i], t1[i] + intervals.t1[b])
    last[thread[i]] = b
  }
  return { at, span, t0, t1 }
}

/* The last hold of the lock that begins at or before t; -1 none. */
function holdAt(holds: Recording['holds'], range: [number, number] | undefined, t: number): number {
  let low = range?.[0] ?? 0
  let high = range?.[1] ?? 0
  while (low < high) {
    const mid = (low + high) >>> 1
    if (holds.t0[mid] <= t) low = mid + 1
    else high = mid
  }
  return range && low > range[0] ? low - 1 : -1
}

function waitsOf(table: Table, threads: Thread[], locks: Lock[], stacks: number, intervals: Recording['intervals'],
  holds: Recording['holds']): Recording['waits'] {
  const n = table.rows
  const thread = groups(n, threads.map((t) => t.waits))
  const { at, span, t0, t1 } = spotsOf(table, thread, threads, intervals)
  const otherLock = table.get('lock')
  const otherStack = table.get('stack')
  const otherWaker = table.get('waker')
  const sleeps = table.get('sleeps')
  const lock = u32(n)
  const stack = u32(n)
  const waker = u32(n)
  for (let i = 0; i < n; i++) {
    const theLock = otherLock[i] ? otherLock[i] - 1 : at[i] >= 0 ? intervals.lock[at[i]] : NONE
    lock[i] = theLock < locks.length ? theLock : NONE
    const theStack = otherStack[i] ? otherStack[i] - 1 : at[i] >= 0 ? intervals.stack[at[i]] : 0
    stack[i] = theStack < stacks ? theStack : 0
    const range = locks[lock[i]]?.holds
    const hold = holdAt(holds, range, t1[i])
    const by = otherWaker[i] ? otherWaker[i] - 2 : range && hold > range[0] ? holds.thread[hold - 1] : NONE
    waker[i] = by >= 0 && by < threads.length ? by : NONE
    sleeps[i] += span[i] || 1
  }
  return {
    n, thread, lock, t0, t1, stack, end: bytes(table.get('ended'), 5, 4), flags: bytes(table.get('flags'), 64), sleeps: ids(sleeps, NONE),
    wakeLatency: table.get('wake'), waker, credits: u32(n + 1),
  }
}

function handoffsOf(table: Table, locks: Lock[], threads: number, stacks: number, holds: Recording['holds']): Recording['handoffs'] {
  const n = table.rows
  const lock = groups(n, locks.map((l) => l.handoffs))
  const skip = table.get('skip')
  const otherTo = table.get('to')
  const otherFrom = table.get('from')
  const otherStack = table.get('stack')
  const otherwise = table.get('forced')
  const acquire = table.get('acquire')
  const release = table.get('release')
  const from = u32(n)
  const to = u32(n)
  const stack = u32(n)
  const forced = u8(n)
  let last = 0
  for (let i = 0; i < n; i++) {
    const range = locks[lock[i]]?.holds ?? [0, 0]
    if (!i || lock[i] !== lock[i - 1]) last = range[0]
    let taken = last + skip[i]
    if (taken >= range[0] && taken < range[1]) last = taken
    else taken = -1
    const before = taken > range[0] ? taken - 1 : -1
    const pick = (other: number, none: number, own: number, n: number): number => {
      const id = other ? other - 1 - none : own
      return id >= 0 && id < n ? id : NONE
    }
    to[i] = pick(otherTo[i], 0, taken >= 0 ? holds.thread[taken] : NONE, threads)
    from[i] = pick(otherFrom[i], 1, before >= 0 ? holds.thread[before] : NONE, threads)
    stack[i] = pick(otherStack[i], 0, before >= 0 ? holds.stack[before] : 0, stacks)
    if (stack[i] === NONE) stack[i] = 0
    acquire[i] += taken >= 0 ? holds.t0[taken] : 0
    const v = release[i] - 1
    release[i] = v < 0 ? NaN : (v % 2 ? -(v + 1) / 2 : v / 2) + (before >= 0 ? holds.t1[before] : 0)
    forced[i] = (otherwise[i] ? 1 : 0) ^ (before >= 0 && holds.flags[before] & HoldFlag.Forced ? 1 : 0)
  }
  return { n, lock, from, to, release, acquire, forced, stack }
}

function piecesOf(table: Table, counts: Float64Array, holds: Recording['holds'], stacks: number): Pieces {
  const first = u32(counts.length + 1)
  const ns = table.get('ns')
  for (let i = 0; i < counts.length; i++) {
    first[i + 1] = first[i] + count(counts[i], table.rows - first[i])
    let left = holds.t1[i] - holds.t0[i]
    for (let k = first[i]; k < first[i + 1]; k++) {
      ns[k] = k + 1 === first[i + 1] ? left : min(ns[k], left)
      left -= ns[k]
    }
  }
  return { first, ns, state: bytes(table.get('state'), 4, 3), nr: words(table.get('nr')), stack: ids(table.get('stack'), stacks, 0, 0) }
}

function holdsOf(table: Table, locks: Lock[], threads: Thread[], intervals: Recording['intervals']): Recording['holds'] {
  const thread = ids(table.get('thread'), threads.length)
  const { t0, t1 } = spotsOf(table, thread, threads, intervals)
  return {
    n: table.rows, lock: groups(table.rows, locks.map((l) => l.holds)), thread, t0, t1, blocked: table.get('blocked'),
    preempted: table.get('preempted'), flags: bytes(table.get('flags'), 32), stack: u32(table.rows),
  }
}

/* What a hold's pieces say of it. */
function fillHolds(holds: Recording['holds'], table: Table, pieces: Pieces, stacks: number): void {
  const other = table.get('stack')
  for (let i = 0; i < holds.n; i++) {
    for (let k = pieces.first[i]; k < pieces.first[i + 1]; k++) {
      if (pieces.state[k] === HolderState.Blocked) holds.blocked[i] += pieces.ns[k]
      if (pieces.state[k] === HolderState.Preempted) holds.preempted[i] += pieces.ns[k]
    }
    const last = pieces.first[i + 1] > pieces.first[i] ? pieces.stack[pieces.first[i + 1] - 1] : 0
    holds.stack[i] = other[i] ? (other[i] - 1 < stacks ? other[i] - 1 : 0) : last
  }
}

/* The one thread that answers for a wait, or nearly all of it; NONE when it is several. */
function ownerOf(waits: Recording['waits'], credits: Recording['credits'], wait: number): number {
  let owner = NONE, ns = 0, all = 0
  for (let c = waits.credits[wait]; c < waits.credits[wait + 1]; c++) {
    if (credits.holder[c] !== owner && credits.ns[c] > ns) [owner, ns] = [credits.holder[c], 0]
    if (credits.holder[c] === owner) ns += credits.ns[c]
    all += credits.ns[c]
  }
  return ns >= 0.9 * all ? owner : NONE
}

/* Of other locks nobody saw the holds; a wait that one thread answers for tells one, as long as it lasted. */
export function withOwners(holds: Recording['holds'], locks: Lock[], waits: Recording['waits'], credits: Recording['credits']): Recording['holds'] {
  const found = locks.map((): number[] => [])
  for (let w = 0; w < waits.n; w++) {
    const lock = locks[waits.lock[w]]
    if (lock && lock.kind !== 'gil' && !lock.idle && ownerOf(waits, credits, w) !== NONE) found[waits.lock[w]].push(w)
  }
  if (!found.some((f) => f.length)) return holds
  const rows: number[][] = [] /* as the columns are written below */
  locks.forEach((lock, id) => {
    const from = rows.length
    for (let i = lock.holds[0]; i < lock.holds[1]; i++)
      rows.push([id, holds.thread[i], holds.t0[i], holds.t1[i], holds.blocked[i], holds.preempted[i], holds.flags[i], holds.stack[i]])
    let end = 0
    for (const w of found[id].sort((a, b) => waits.t0[a] - waits.t0[b])) {
      const t0 = max(end, waits.t0[w]), t1 = waits.t1[w], last = waits.credits[w + 1]
      if (t1 <= t0) continue
      const off = [0, 0, 0, 0], c = waits.credits[w], part = (t1 - t0) / (t1 - waits.t0[w])
      for (let i = c; i < last; i++) off[credits.state[i]] += part * credits.ns[i]
      rows.push([id, ownerOf(waits, credits, w), t0, t1, off[HolderState.Blocked], off[HolderState.Preempted], HoldFlag.StartInferred | HoldFlag.EndInferred, credits.stack[c]])
      end = t1
    }
    lock.holds = [from, rows.length]
  })
  const ids = (at: number) => Uint32Array.from(rows, (r) => r[at]), times = (at: number) => Float64Array.from(rows, (r) => r[at])
  return { n: rows.length, lock: ids(0), thread: ids(1), t0: times(2), t1: times(3), blocked: times(4), preempted: times(5), flags: Uint8Array.from(rows, (r) => r[6]), stack: ids(7) }
}

function talliesOf(table: Table, locks: number): Recording['tallies'] {
  const t0 = table.get('t0')
  return {
    n: table.rows, t0, t1: ends(t0, table.get('len')), state: bytes(table.get('state'), STATES, STATES - 1),
    flags: bytes(table.get('flags'), 32), lock: ids(table.get('lock'), locks, 1), count: table.get('n'), ns: table.get('ns'),
  }
}

async function stacksOf(source: Source, directory: Directory, strings: number): Promise<Recording['stacks']> {
  const stacks = await readTable(source, directory, 'stacks')
  const nodes = await readTable(source, directory, 'nodes')
  const frames = await readTable(source, directory, 'frames')
  const parent = nodes.get('parent')
  /* a parent comes before its child, so every walk up ends */
  for (let i = 0; i < parent.length; i++) if (!(parent[i] < i)) parent[i] = 0
  return {
    node: ids(stacks.get('node'), nodes.rows, 0, 0),
    flags: bytes(stacks.get('flags'), 4),
    parent: ids(parent, nodes.rows, 0, 0),
    frame: ids(nodes.get('frame'), frames.rows, 0, 0),
    function: ids(frames.get('function'), strings, 0, 0),
    file: ids(frames.get('file'), strings, 0, 0),
    line: ids(frames.get('line'), NONE, 0, 0),
  }
}

export async function decodeBlocks(source: Source, directory: Directory): Promise<Recording> {
  if (directory.format !== 1) throw new Error(`the report's data has format ${directory.format}; this page reads 1`)
  const facts = JSON.parse(await readText(source, directory, 'facts')) as Facts
  const model = JSON.parse(await readText(source, directory, 'model')) as Model
  const read = (name: string) => readTable(source, directory, name)
  const rows = (...names: string[]) => names.map((name) => directory.blocks[name]?.rows ?? 0)
  const threads = threadsOf(model, rows('intervals', 'waits', 'tallies', 'samples'))
  const locks = locksOf(model, rows('holds', 'handoffs'))
  const stacks = await stacksOf(source, directory, model.strings.length)
  const nStacks = stacks.node.length
  const intervals = intervalsOf(await read('intervals'), model, threads, nStacks)
  const holdTable = await read('holds')
  const holds = holdsOf(holdTable, locks, threads, intervals)
  const pieces = piecesOf(await read('pieces'), holdTable.get('pieces'), holds, nStacks)
  fillHolds(holds, holdTable, pieces, nStacks)
  const waits = waitsOf(await read('waits'), threads, locks, nStacks, intervals, holds)
  const deltas = await read('deltas')
  const credits = await creditsOf(waits, holds, locks.map((l) => l.holds), pieces, deltas, {
    holder: ids(deltas.get('holder'), threads.length, 1), stack: ids(deltas.get('stack'), nStacks, 0, 0),
  })
  const handoffs = handoffsOf(await read('handoffs'), locks, threads.length, nStacks, holds)
  const samples = await read('samples')
  const syscalls: string[] = []
  for (const [nr, name] of Object.entries(model.syscalls)) syscalls[Number(nr)] = name
  for (let nr = 0; nr < syscalls.length; nr++) syscalls[nr] ??= ''
  return {
    facts, durationNs: model.durationNs, sampleHz: model.sampleHz, startRealNs: model.startRealNs, strings: model.strings,
    processes: model.processes, threads, locks, syscalls, stacks,
    intervals, waits, credits, holds: withOwners(holds, locks, waits, credits), handoffs,
    samples: {
      n: samples.rows, t: samples.get('t'), state: bytes(samples.get('state'), STATES, STATES - 1),
      flags: bytes(samples.get('flags'), 8), stack: ids(samples.get('stack'), nStacks, 0, 0),
    },
    tallies: talliesOf(await read('tallies'), locks.length),
    reduced: (directory.reduced as Reduced | undefined) ?? null,
  }
}

/* From the document's own blocks; each is taken out of it once it is read, so that its text is not kept. */
export function decodeRecording(from: Document = document): Promise<Recording> {
  const directory = JSON.parse(from.getElementById('data-directory')?.textContent ?? 'null') as Directory | null
  if (!directory) return Promise.reject(new Error('there is no data in this page'))
  return decodeBlocks((name) => {
    const element = from.getElementById(`data-${name}`)
    const text = element?.textContent ?? ''
    element?.remove()
    return text
  }, directory)
}
