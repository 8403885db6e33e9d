import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boxName, findBoxes } from '../../viewer/html/page/data/flame_search'
import { StackSums, readSource } from '../../viewer/html/page/data/flame_sources'
import { Symbols } from '../../viewer/html/page/data/flame_symbols'
import { ancestors, mergedTree, treeAround } from '../../viewer/html/page/data/flame_tree'
import { stackFlags, stackFrames, stackText } from '../../viewer/html/page/ui/stack'
import { change, changeWord, placeOf, share, spoken, stackOf, type Graph } from '../../viewer/html/page/views/flame/graph'
import { synthetic } from './synthetic'

const rec = synthetic({ threads: 20, intervals: 12000, seed: 3, locks: 2, processes: 1 })
const ALL = { range: null, process: null, thread: null, lock: null }

function graphOf(lines: boolean, base = false): Graph {
  const read = (range: { t0: number; t1: number } | null) => {
    const sums = new StackSums(false)
    readSource(rec, 'blame', { ...ALL, range }, sums)
    return sums
  }
  const half = Math.round(rec.durationNs / 2)
  const symbols = new Symbols(rec, lines)
  const input = { sums: read(base ? { t0: half, t1: rec.durationNs } : null), base: base ? read({ t0: 0, t1: half }) : null, seconds: half / 1e9, baseSeconds: half / 1e9 }
  const tree = mergedTree(symbols, input, { inverted: false, collapse: false, byThread: false, hidden: new Set() })
  return { tree, symbols, source: 'blame', unitNs: 1, seconds: input.seconds, baseSeconds: input.baseSeconds, callers: false }
}

/* Each stack once, by the dullest means. */
function directTotal(g: Graph, isMatch: (box: number) => boolean): number {
  let total = 0
  for (let b = 0; b < g.tree.n; b++) if (g.tree.self[b]! > 0 && ancestors(g.tree, b).some(isMatch)) total += g.tree.self[b]!
  return total
}

const g = graphOf(true)
const at = (b: number) => ({ name: g.tree.symbol[b]! < 0 ? '' : g.symbols.name(g.tree.symbol[b]!), file: g.symbols.file(g.tree.symbol[b]!), line: g.symbols.line(g.tree.symbol[b]!) })
const SEARCHES: Record<string, (b: number) => boolean> = {
  SCORE: (b) => /score/i.test(at(b).name) || /score/i.test(at(b).file),
  'decoder.py:24': (b) => at(b).file.endsWith('/decoder.py') && at(b).line === 24,
  '/^(walk|visit)$/': (b) => /^(walk|visit)$/i.test(at(b).name) || /^(walk|visit)$/i.test(at(b).file),
  'blocked in': (b) => at(b).name.startsWith('blocked in'),
  'no stack': (b) => at(b).name === '(no stack taken)',
}
for (const [search, isMatch] of Object.entries(SEARCHES))
  test(`search ${search}: the boxes, and the share of the stacks through them`, () => {
    const found = findBoxes(g.tree, g.symbols, search)
    const expected = Array.from({ length: g.tree.n }, (_, b) => b).filter((b) => b > 0 && isMatch(b))
    assert.ok(expected.length > 0)
    assert.deepEqual([...found.boxes].sort((a, b) => a - b), expected)
    assert.equal(found.total, directTotal(g, isMatch))
    for (let b = 0; b < g.tree.n; b++) assert.equal(found.isMatch[b], Number(expected.includes(b)))
  })

test('a piece of a file name is no line of another file, a broken expression says so', () => {
  assert.equal(findBoxes(g.tree, g.symbols, 'coder.py:24').boxes.length, 0)
  assert.ok(findBoxes(g.tree, g.symbols, 'decoder.py').boxes.length > 0)
  assert.match(findBoxes(g.tree, g.symbols, '/(/').error, /no regular expression/)
})

test('a box of a function is found by any of its lines', () => {
  const functions = graphOf(false)
  const found = findBoxes(functions.tree, functions.symbols, 'decoder.py:24')
  assert.ok(found.boxes.length > 0)
  for (const b of found.boxes) assert.match(functions.symbols.file(functions.tree.symbol[b]!), /decoder\.py$/)
})

test('a difference: each box has both numbers, and says new, gone or by how much', () => {
  const d = graphOf(true, true), words = new Set<string>()
  let now = 0, before = 0
  for (let b = 0; b < d.tree.n; b++) {
    const both = d.tree.total[b]! > 0 && d.tree.base![b]! > 0
    words.add(changeWord(d, b))
    assert.equal(changeWord(d, b) === 'new', d.tree.base![b] === 0)
    assert.equal(changeWord(d, b) === 'gone', d.tree.total[b] === 0)
    assert.ok(both ? Math.abs(change(d, b)) < 1 : Math.abs(change(d, b)) === 1)
    now += d.tree.self[b]!
    before += d.tree.baseSelf![b]!
  }
  assert.ok(words.has('new') && words.has('gone') && [...words].some((w) => w.startsWith('+')) && [...words].some((w) => w.startsWith('−')))
  assert.equal(d.tree.total[0], now)
  assert.equal(d.tree.base![0], before)
})

test('words of a box: name, place, share; the stack innermost first', () => {
  let deepest = 0
  for (let b = 0; b < g.tree.n; b++) if (g.symbols.isFrame(g.tree.symbol[b]!) && g.tree.depth[b]! > g.tree.depth[deepest]!) deepest = b
  const text = spoken(g, deepest)
  assert.ok(text.startsWith(`${at(deepest).name}, `) && text.includes(share(g, deepest, 0)), text)
  const lines = stackOf(g, deepest).split('\n')
  assert.equal(lines.length, g.tree.depth[deepest])
  assert.equal(lines[0], `${at(deepest).name} (${at(deepest).file}:${at(deepest).line})`)
  assert.match(lines.at(-1)!, /^<module> |^_bootstrap /)
})

test('a stack as a list: innermost first, flags in words, hostile names made visible', () => {
  const stack = rec.waits.stack.findIndex((s) => s > 0)
  const frames = stackFrames(rec, rec.waits.stack[stack]!)
  assert.ok(frames.length > 1)
  assert.match(frames.at(-1)!.function, /^<module>$|^_bootstrap$/)
  assert.equal(stackText(frames).split('\n').length, frames.length)
  assert.deepEqual(stackFrames(rec, 0), [])
  const hostile = { ...rec, stacks: { ...rec.stacks, flags: rec.stacks.flags.map(() => 3) } }
  assert.equal(stackFlags(hostile, 1).length, 2)
  assert.equal(stackFlags(rec, 1).length, 0)
  assert.equal(stackText([{ function: 'a\u202Eb\nc', file: '/x/\u0007y.py', line: 3 }]), 'a\\u{202e}b\\x0ac (/x/\\x07y.py:3)')
})

test('a box without a name is shown as ?', () => {
  const symbols = new Symbols({ ...rec, strings: rec.strings.map(() => '') }, true)
  assert.equal(boxName(symbols, 1), '?')
})

test('the function in the middle of a sandwich stands for all its lines', () => {
  const sums = new StackSums(false)
  readSource(rec, 'blame', ALL, sums)
  const box = Array.from({ length: g.tree.n }, (_, b) => b).find((b) => b > 0 && at(b).line > 0)!
  const fn = g.symbols.functionSymbol(g.tree.symbol[box]!)
  const shape = { inverted: false, collapse: false, byThread: false, hidden: new Set<number>() }
  const tree = treeAround(g.symbols, { sums, base: null, seconds: 1, baseSeconds: 1 }, shape, fn, false)
  assert.equal(placeOf({ ...g, tree }, 0, true), at(box).file)
  assert.equal(placeOf(g, box, true), `${at(box).file}:${at(box).line}`)
})
