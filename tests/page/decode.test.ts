/* Round trip: recordings written by the store, reports written by gilscope, blocks read by the page's decoder, compared with
 * the rows of the SQLite files themselves.  B: the build directory. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { after, test } from 'node:test'
import { createInflateRaw } from 'node:zlib'
import { decodeBlocks } from '../../viewer/html/page/data/decode'
import { type Directory, type Facts, HoldFlag, NONE, type Recording } from '../../viewer/html/page/data/recording'

/* Browsers have it since 2023, node since 20.12. */
try {
  new DecompressionStream('deflate-raw')
} catch {
  globalThis.DecompressionStream = class {
    constructor() {
      const inflating = createInflateRaw()
      return { readable: Readable.toWeb(inflating), writable: Writable.toWeb(inflating) }
    }
  } as unknown as typeof DecompressionStream
}

const B = resolve(process.env.B ?? 'build/release')
const dir = mkdtempSync(join(tmpdir(), 'gilscope-page-'))
after(() => rmSync(dir, { recursive: true }))

function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 30 })
}

function rows(file: string, sql: string): number[][] {
  return run('sqlite3', '-separator', '|', '-nullvalue', 'null', file, sql).split('\n').filter((l) => l).map((line) => line.split('|').map((v) => (v === 'null' ? -1 : Number(v))))
}

function blocksOf(html: string): { directory: Directory; source: (name: string) => string } {
  const texts = new Map<string, string>()
  for (const m of html.matchAll(/<script type="application\/[a-z-]+" id="data-(\w+)">([^<]*)<\/script>/g)) texts.set(m[1]!, m[2]!)
  return { directory: JSON.parse(texts.get('directory')!) as Directory, source: (name) => texts.get(name) ?? '' }
}

async function decode(recording: string): Promise<Recording> {
  const html = recording.replace(/\.gilscope$/, '.html')
  run(join(B, 'gilscope'), 'report', recording, '-o', html)
  const { directory, source } = blocksOf(readFileSync(html, 'utf8'))
  return decodeBlocks(source, directory)
}

interface Other { kind: string; idle: boolean; name: string | null; address: string | null; where: { function: string; file: string; line: number } | null; waits: number; wait_ns: number }

const id = (v: number) => (v === NONE ? -1 : v)
const sorted = (list: number[][]) => list.map((row) => row.join(',')).sort()

/* Stacks have other ids in the page: they are compared by their lines. */
function lineOf(r: Recording, stack: number): string {
  const node = r.stacks.node[stack]!
  if (!node) return ''
  const frame = r.stacks.frame[node]!
  return `${r.strings[r.stacks.function[frame]!]} (${r.strings[r.stacks.file[frame]!]}:${r.stacks.line[frame]})`
}

async function compare(file: string): Promise<Recording> {
  const r = await decode(file)
  const lines = new Map(run('sqlite3', '-separator', '\t', file, 'SELECT stack, text FROM v_line WHERE function IS NOT NULL').split('\n').filter((l) => l).map((l) => l.split('\t') as [string, string]))
  const line = (stack: number) => lines.get(String(stack)) ?? ''
  const printable = [...lines.values()].every((text) => /^[\x20-\x7e]*$/.test(text) && !text.includes('?'))

  const intervals = rows(file, 'SELECT thread, max(t0_ns, 0), dur_ns, state, flags, coalesce(nr, -1), lock, coalesce(stack, 0) FROM interval ORDER BY thread, t0_ns, rowid')
  assert.equal(r.intervals.n, intervals.length)
  r.threads.forEach((t, thread) => {
    for (let i = t.intervals[0]; i < t.intervals[1]; i++) {
      const v = r.intervals
      const have = [thread, v.t0[i]!, v.t1[i]! - v.t0[i]!, v.state[i]!, v.flags[i]!, v.nr[i]! - 1, id(v.lock[i]!)]
      if (String(have) !== String(intervals[i]!.slice(0, 7))) assert.deepEqual(have, intervals[i]!.slice(0, 7), `interval ${i}`)
      if (printable && lineOf(r, v.stack[i]!) !== line(intervals[i]![7]!)) assert.equal(lineOf(r, v.stack[i]!), line(intervals[i]![7]!))
    }
  })

  const waits = rows(file, 'SELECT thread, t0_ns, dur_ns, lock, ended, flags, sleeps, wake_latency_ns, waker, coalesce(stack, 0), id FROM wait ORDER BY thread, t0_ns, id')
  assert.equal(r.waits.n, waits.length)
  const credits = new Map<number, number[][]>()
  for (const [wait, holder, state, nr, stack, ns] of rows(file, 'SELECT wait, holder, state, coalesce(nr, -1), coalesce(stack, 0), ns FROM credit'))
    (credits.get(wait!) ?? credits.set(wait!, []).get(wait!)!).push([holder!, state!, nr!, stack!, ns!])
  for (let w = 0; w < r.waits.n; w++) {
    const v = r.waits
    const have = [v.thread[w], v.t0[w], v.t1[w]! - v.t0[w]!, v.lock[w], v.end[w], v.flags[w], v.sleeps[w], v.wakeLatency[w], id(v.waker[w]!)]
    assert.deepEqual(have, waits[w]!.slice(0, 9), `wait ${w}`)
    const key = (row: (number | string)[]) => row.join(',')
    const sums = (list: { key: string; ns: number }[]) => {
      const m = new Map<string, number>()
      for (const { key, ns } of list) m.set(key, (m.get(key) ?? 0) + ns)
      return [...m].map(([k, ns]) => `${k} ${ns}`).sort()
    }
    const decoded = []
    for (let c = v.credits[w]!; c < v.credits[w + 1]!; c++)
      decoded.push({ key: key([id(r.credits.holder[c]!), r.credits.state[c]!, r.credits.nr[c]! - 1, printable ? lineOf(r, r.credits.stack[c]!) : '']), ns: r.credits.ns[c]! })
    const recorded = (credits.get(waits[w]![10]!) ?? []).filter((c) => c[4]! > 0).map((c) => ({ key: key([c[0]!, c[1]!, c[2]!, printable ? line(c[3]!) : '']), ns: c[4]! }))
    assert.deepEqual(sums(decoded), sums(recorded), `credits of wait ${w}`)
  }

  const holds = rows(file, 'SELECT lock, t0_ns, dur_ns, thread, blocked_ns, preempted_ns, flags FROM hold')
  const v = r.holds
  assert.deepEqual(sorted(Array.from({ length: v.n }, (_, i) => [v.lock[i]!, v.t0[i]!, v.t1[i]! - v.t0[i]!, v.thread[i]!, v.blocked[i]!, v.preempted[i]!, v.flags[i]!])), sorted(holds))
  const handoffs = rows(file, 'SELECT lock, acquire_ns, coalesce(release_ns, -1), coalesce(from_thread, -1), to_thread, forced FROM handoff')
  const h = r.handoffs
  assert.deepEqual(sorted(Array.from({ length: h.n }, (_, i) => [h.lock[i]!, h.acquire[i]!, Number.isNaN(h.release[i]!) ? -1 : h.release[i]!, id(h.from[i]!), h.to[i]!, h.forced[i]!])), sorted(handoffs))

  const samples = rows(file, 'SELECT thread, t_ns, state, flags FROM sample')
  const s = r.samples
  assert.deepEqual(sorted(r.threads.flatMap((t, thread) => Array.from({ length: t.samples[1] - t.samples[0] }, (_, k) => t.samples[0] + k)
    .map((i) => [thread, s.t[i]!, s.state[i]!, s.flags[i]!]))), sorted(samples))
  const tallies = rows(file, 'SELECT thread, max(t0_ns, 0), max(t0_ns + dur_ns, 0), state, flags, lock, n, ns FROM tally')
  const y = r.tallies
  assert.deepEqual(sorted(r.threads.flatMap((t, thread) => Array.from({ length: t.tallies[1] - t.tallies[0] }, (_, k) => t.tallies[0] + k)
    .map((i) => [thread, y.t0[i]!, y.t1[i]!, y.state[i]!, y.flags[i]!, id(y.lock[i]!), y.count[i]!, y.ns[i]!]))), sorted(tallies))
  return r
}

const CASES = ['convoy', 'cut_off', 'empty', 'held_blocked', 'hostile', 'many_threads', 'quiet', 'two_processes']
for (const name of CASES)
  test(`the case ${name} comes back as it is`, async () => {
    const file = join(dir, `${name}.gilscope`)
    run(join(B, 'tests/golden/report/make_recording'), `tests/golden/report/cases/${name}.rows`, file)
    await compare(file)
  })

const SIZES: [string, string[]][] = [['as usual', ['--intervals', '12000']], ['without threads', ['--threads', '0']], ['of one thread', ['--threads', '1', '--intervals', '300']],
  ['of 300 threads', ['--threads', '300', '--intervals', '6000', '--seed', '7']], ['of ten hours', ['--hours', '10', '--intervals', '2000']]]
for (const [name, options] of SIZES)
  test(`a recording ${name} comes back as it is`, async () => {
    const file = join(dir, `synthetic-${name.replace(/ /g, '-')}.gilscope`)
    run(join(B, 'tests/bench/synthetic_recording'), ...options, file)
    await compare(file)
  })

for (const file of (process.env.RECORDINGS ?? '').split(':').filter((f) => f))
  test(`${file} comes back as it is`, async () => {
    const copy = join(dir, 'given.gilscope')
    run('cp', file, copy)
    await compare(copy)
  })

test('a page edited by hand gives no index that leads nowhere', async () => {
  const file = join(dir, 'edited.gilscope')
  run(join(B, 'tests/bench/synthetic_recording'), '--intervals', '300', file)
  run(join(B, 'gilscope'), 'report', file, '-o', join(dir, 'edited.html'))
  const { directory, source } = blocksOf(readFileSync(join(dir, 'edited.html'), 'utf8'))
  /* every table under another's description: counts and meanings are wrong all over */
  const tables = Object.keys(directory.blocks).filter((name) => directory.blocks[name]!.columns)
  for (const name of tables)
    for (const other of tables) {
      const broken = structuredClone(directory)
      broken.blocks[name] = { ...broken.blocks[other]!, columns: broken.blocks[other]!.columns!.map(([, code], i) => [directory.blocks[name]!.columns![i]?.[0] ?? `x${i}`, code]) }
      const r = await decodeBlocks((n) => (n === name ? source(other) : source(n)), broken)
      check(r)
    }
})

function check(r: Recording): void {
  const below = (list: Uint32Array, n: number, none: boolean) => list.every((v) => v < n || (none && v === NONE))
  const [threads, locks, stacks] = [r.threads.length, r.locks.length, r.stacks.node.length]
  assert.ok(below(r.intervals.lock, locks, true) && below(r.intervals.stack, Math.max(stacks, 1), false))
  assert.ok(below(r.waits.lock, locks, true) && below(r.waits.thread, threads, true) && below(r.waits.waker, threads, true))
  assert.ok(below(r.credits.holder, threads, true) && below(r.credits.stack, Math.max(stacks, 1), false))
  assert.ok(below(r.holds.thread, threads, true) && below(r.holds.stack, Math.max(stacks, 1), false))
  assert.ok(below(r.handoffs.from, threads, true) && below(r.handoffs.to, threads, true) && below(r.handoffs.stack, Math.max(stacks, 1), false))
  assert.ok(below(r.stacks.node, Math.max(r.stacks.parent.length, 1), false) && below(r.stacks.frame, Math.max(r.stacks.function.length, 1), false))
  assert.ok(r.stacks.parent.every((p, i) => p < i || !p))
  for (const t of r.threads) assert.ok(t.intervals[0] <= t.intervals[1] && t.intervals[1] <= r.intervals.n && t.waits[1] <= r.waits.n)
  assert.ok(r.waits.credits.every((c) => c <= r.credits.n))
}

test('other locks: by what they are used for, as the summary has them; their holds by who answers for the waits', async () => {
  const file = join(dir, 'other_locks.gilscope')
  run(join(B, 'tests/golden/report/make_recording'), 'tests/golden/report/cases/other_locks.rows', file)
  const r = await decode(file)
  const told = ((JSON.parse(run(join(B, 'gilscope'), 'report', file, '--format', 'json')) as Facts).processes[0] as unknown as { other_locks: Other[] }).other_locks
  const mine = r.locks.flatMap((l, lock) => {
    let waits = 0, ns = 0
    for (let w = 0; w < r.waits.n; w++) if (r.waits.lock[w] === lock) (waits++, ns += r.waits.t1[w]! - r.waits.t0[w]!)
    return l.kind !== 'gil' && waits ? [[l.kind, l.idle, l.label, waits, ns].join()] : []
  })
  const place = (f: Other['where']) => f && `${f.function} (${f.file.split('/').pop()}:${f.line})`
  assert.deepEqual(mine.sort(), told.map((o) => [o.kind, o.idle, o.name ?? o.address ?? place(o.where), o.waits, o.wait_ns].join()).sort())
  assert.ok(told.some((o) => o.kind === 'queue_get' && o.waits === 2), 'two locks at one line are one')
  const lock = r.locks.findIndex((l) => l.name === 'rlock app.Store.guard'), [from, to] = r.locks[lock]!.holds
  assert.equal(to - from, 1)
  assert.equal(r.threads[r.holds.thread[from]!]!.tid, 101)
  assert.equal(r.holds.t1[from]! - r.holds.t0[from]!, 50e6)
  assert.equal(r.holds.flags[from], HoldFlag.StartInferred | HoldFlag.EndInferred)
  const leaves = run(join(B, 'gilscope'), 'export', file, '--to', 'collapsed', '--weight', 'locks').match(/\[[^\]]* wait\]/g)
  assert.deepEqual([...new Set(leaves)].sort(), r.locks.flatMap((l, i) => (l.kind !== 'gil' && r.waits.lock.includes(i) ? [`[${l.name} wait]`] : [])).sort())
})
