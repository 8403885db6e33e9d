/* The data blocks of the document to a Recording; data.c is the other half.  A report could have been edited by hand:
 * every index is checked, what is out of range becomes NONE (or 0 for a stack), so that no view has to doubt it. */
import { type Directory, type Source, type Table, readTable, readText } from './columns'
import { type Facts, type Lock, NONE, type Process, type Recording, type Reduced, STATES, type Thread } from './recording'

interface Model {
  durationNs: number
  sampleHz: number
  startRealNs: number
  strings: string[]
  processes: Process[]
  threads: { process: number; tid: number; name: string; main: boolean; first: number; last: number; n: number[] }[]
  locks: { process: number; kind: string; addr: string; interpreter: number | null; n: number[] }[]
  syscalls: Record<string, string>
  kinds: number[][]
}

function count(n: unknown, left: number): number {
  const v = Math.floor(Number(n))
  return v > 0 ? Math.min(v, left) : 0
}

/* Ids below n; `less` is subtracted first, so that 0 becomes NONE with 1. */
function ids(column: Float64Array, n: number, less = 0, none = NONE): Uint32Array {
  const out = new Uint32Array(column.length)
  for (let i = 0; i < column.length; i++) {
    const v = column[i] - less
    out[i] = v >= 0 && v < n ? v : none
  }
  return out
}

function bytes(column: Float64Array, n: number, other = 0): Uint8Array {
  const out = new Uint8Array(column.length)
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

function locksOf(model: Model, holds: number, handoffs: number): Lock[] {
  const at = [0, 0]
  const rows = [holds, handoffs]
  return model.locks.map((l) => {
    const range = [0, 1].map((k): [number, number] => {
      const from = at[k]
      at[k] += count(l.n?.[k], rows[k] - from)
      return [from, at[k]]
    })
    const process = l.process < model.processes.length ? l.process : NONE
    const name = l.kind !== 'gil' ? `futex ${l.addr}` : l.interpreter ? `GIL ${l.interpreter}` : 'GIL'
    return { process, kind: String(l.kind), name, addr: String(l.addr), interpreter: l.interpreter, holds: range[0], handoffs: range[1] }
  })
}

/* The group of each row, from the groups' ranges. */
function groups(n: number, ranges: [number, number][]): Uint32Array {
  const out = new Uint32Array(n).fill(NONE)
  ranges.forEach(([from, to], group) => out.fill(group, from, to))
  return out
}

function intervalsOf(table: Table, model: Model, threads: Thread[], stacks: number): Recording['intervals'] {
  const n = table.rows
  const t0 = table.get('gap')
  const t1 = table.get('len')
  const kind = table.get('kind')
  const state = new Uint8Array(n)
  const flags = new Uint8Array(n)
  const nr = new Uint16Array(n)
  const lock = new Uint32Array(n)
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

function waitsOf(table: Table, threads: Thread[], locks: number, stacks: number, credits: number): Recording['waits'] {
  const n = table.rows
  const t0 = table.get('t0')
  const first = new Uint32Array(n + 1)
  const counts = table.get('credits')
  for (let i = 0; i < n; i++) first[i + 1] = first[i] + count(counts[i], credits - first[i])
  return {
    n,
    thread: groups(n, threads.map((t) => t.waits)),
    lock: ids(table.get('lock'), locks),
    t0,
    t1: ends(t0, table.get('len')),
    stack: ids(table.get('stack'), stacks, 0, 0),
    end: bytes(table.get('end'), 5, 4),
    flags: bytes(table.get('flags'), 16),
    sleeps: ids(table.get('sleeps'), NONE),
    wakeLatency: table.get('wake'),
    waker: ids(table.get('waker'), threads.length, 1),
    credits: first,
  }
}

function handoffsOf(table: Table, locks: Lock[], threads: number, stacks: number): Recording['handoffs'] {
  const acquire = table.get('acquire')
  const release = table.get('release')
  for (let i = 0; i < release.length; i++) {
    const v = release[i] - 1
    release[i] = v < 0 ? NaN : acquire[i] - (v % 2 ? -(v + 1) / 2 : v / 2)
  }
  return {
    n: table.rows, lock: groups(table.rows, locks.map((l) => l.handoffs)), from: ids(table.get('from'), threads, 1),
    to: ids(table.get('to'), threads), release, acquire, forced: bytes(table.get('forced'), 2, 1),
    stack: ids(table.get('stack'), stacks, 0, 0),
  }
}

function holdsOf(table: Table, locks: Lock[], threads: number, stacks: number): Recording['holds'] {
  const t0 = table.get('t0')
  return {
    n: table.rows, lock: groups(table.rows, locks.map((l) => l.holds)), thread: ids(table.get('thread'), threads), t0,
    t1: ends(t0, table.get('len')), blocked: table.get('blocked'), preempted: table.get('preempted'),
    flags: bytes(table.get('flags'), 32), stack: ids(table.get('stack'), stacks, 0, 0),
  }
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
  const rows = ['intervals', 'waits', 'tallies', 'samples'].map((name) => directory.blocks[name]?.rows ?? 0)
  const threads = threadsOf(model, rows)
  const locks = locksOf(model, directory.blocks.holds?.rows ?? 0, directory.blocks.handoffs?.rows ?? 0)
  const stacks = await stacksOf(source, directory, model.strings.length)
  const nStacks = stacks.node.length
  const credits = await read('credits')
  const samples = await read('samples')
  const syscalls: string[] = []
  for (const [nr, name] of Object.entries(model.syscalls)) syscalls[Number(nr)] = name
  for (let nr = 0; nr < syscalls.length; nr++) syscalls[nr] ??= ''
  return {
    facts, durationNs: model.durationNs, sampleHz: model.sampleHz, startRealNs: model.startRealNs, strings: model.strings,
    processes: model.processes, threads, locks, syscalls, stacks,
    intervals: intervalsOf(await read('intervals'), model, threads, nStacks),
    waits: waitsOf(await read('waits'), threads, locks.length, nStacks, credits.rows),
    credits: {
      n: credits.rows, holder: ids(credits.get('holder'), threads.length, 1), state: bytes(credits.get('state'), 4, 3),
      nr: words(credits.get('nr')), stack: ids(credits.get('stack'), nStacks, 0, 0), ns: credits.get('ns'),
    },
    holds: holdsOf(await read('holds'), locks, threads.length, nStacks),
    handoffs: handoffsOf(await read('handoffs'), locks, threads.length, nStacks),
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
