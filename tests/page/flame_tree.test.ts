import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StackSums, readSource, sourceSize } from '../../viewer/html/page/data/flame_sources'
import { Symbols } from '../../viewer/html/page/data/flame_symbols'
import { ancestors, boxAt, functionSums, mergedTree, pathOf, timeTree, treeAround, type Input, type Shape, type Tree } from '../../viewer/html/page/data/flame_tree'
import type { Recording } from '../../viewer/html/page/data/recording'
import { synthetic } from './synthetic'

const PLAIN: Shape = { inverted: false, collapse: false, byThread: false, hidden: new Set() }

/* Stacks written down: "main:1 > work:2", a '+' at the end: cut off, a '~': torn. */
function recordingOf(stacks: string[], threads = ['T0', 'T1']): Recording {
  const strings = ['', 'app.py'], functions: number[] = [], files: number[] = [], lines: number[] = [], parent = [0], frame = [0], node = [0], flags = [0]
  const frameOf = (text: string): number => {
    const [name, line] = text.split(':')
    if (!strings.includes(name!)) strings.push(name!)
    functions.push(strings.indexOf(name!))
    files.push(1)
    lines.push(Number(line ?? 0))
    return functions.length - 1
  }
  frameOf('?:0')
  for (const text of stacks) {
    let at = 0
    for (const part of text.replace(/[+~]$/, '').split(' > ')) {
      parent.push(at)
      frame.push(frameOf(part))
      at = parent.length - 1
    }
    node.push(at)
    flags.push(text.endsWith('+') ? 1 : text.endsWith('~') ? 2 : 0)
  }
  return {
    strings, syscalls: ['read', 'write'], locks: [], threads: threads.map((name, i) => ({ name, tid: 100 + i })),
    stacks: { node: Uint32Array.from(node), flags: Uint8Array.from(flags), parent: Uint32Array.from(parent), frame: Uint32Array.from(frame), function: Uint32Array.from(functions), file: Uint32Array.from(files), line: Uint32Array.from(lines) },
  } as unknown as Recording
}

type Row = [stack: number, weight: number, leaf?: number, thread?: number]
function inputOf(rows: Row[], byThread = false): Input {
  const sums = new StackSums(byThread)
  rows.forEach(([stack, weight, leaf = 0, thread = 0], i) => sums.add(stack, leaf, weight, thread, i, 1))
  return { sums, base: null, seconds: 1, baseSeconds: 1 }
}

/* As text: "name:line total(self)", children indented. */
function shown(tree: Tree, s: Symbols, extra: (box: number) => string = () => ''): string[] {
  const out: string[] = []
  const visit = (box: number, indent: string) => {
    const symbol = tree.symbol[box]!
    out.push(`${indent}${s.name(symbol)}${s.line(symbol) ? `:${s.line(symbol)}` : ''} ${tree.total[box]}${tree.self[box] ? `(${tree.self[box]})` : ''}${extra(box)}`)
    for (let i = tree.from[box]!; i < tree.from[box + 1]!; i++) visit(tree.order[i]!, `${indent}  `)
  }
  visit(0, '')
  return out
}

const STACKS = ['main:1 > work:2', 'main:1 > work:3', 'main:1 > idle:9', 'loop:5', 'main:1']

test('left-heavy: merged by line, widest first', () => {
  const s = new Symbols(recordingOf(STACKS), true)
  const tree = mergedTree(s, inputOf([[1, 3], [2, 10], [3, 4], [1, 2], [4, 1], [5, 7]]), PLAIN)
  assert.deepEqual(shown(tree, s), ['all 27', '  main:1 26(7)', '    work:3 10(10)', '    work:2 5(5)', '    idle:9 4(4)', '  loop:5 1(1)'])
})

test('by function instead of by line', () => {
  const s = new Symbols(recordingOf(STACKS), false)
  const tree = mergedTree(s, inputOf([[1, 3], [2, 10], [3, 4], [5, 7]]), PLAIN)
  assert.deepEqual(shown(tree, s), ['all 24', '  main 24(7)', '    work 13(13)', '    idle 4(4)'])
})

test('inverted: callers below the innermost frame', () => {
  const s = new Symbols(recordingOf(['a:1 > c:9', 'b:2 > c:9', 'a:1']), true)
  const tree = mergedTree(s, inputOf([[1, 3], [2, 5], [3, 1]]), { ...PLAIN, inverted: true })
  assert.deepEqual(shown(tree, s).map((l) => l.replace(/\(.*/, '')), ['all 9', '  c:9 8', '    b:2 5', '    a:1 3', '  a:1 1'])
})

test('what has no stack is under a box of its own; cut-off stacks say so, torn ones that lost nothing are merged', () => {
  const rec = recordingOf(['main:1 > work:2', 'work:2+', 'main:1 > work:2~', 'work:2~'])
  const s = new Symbols(rec, true)
  const tree = mergedTree(s, inputOf([[0, 5], [0, 2, 1], [1, 10], [2, 3], [3, 4], [4, 1]]), PLAIN)
  assert.deepEqual(shown(tree, s, (b) => (tree.torn[b] ? ` torn ${tree.torn[b]}` : '')), [
    'all 25 torn 5', '  main:1 14 torn 4', '    work:2 14(14) torn 4', '  (no stack taken) 7(5)', '    short ones that were only counted 2(2)',
    '  (outer frames not read) 4 torn 1', '    work:2 4(4) torn 1',
  ])
})

test('recursion collapses to the innermost box of each function', () => {
  const s = new Symbols(recordingOf(['main:1 > fib:3 > fib:3 > fib:4 > add:8', 'main:1 > fib:3 > fib:4 > add:8', 'main:1 > a:1 > b:1 > a:1 > b:1 > a:1']), true)
  const tree = mergedTree(s, inputOf([[1, 3], [2, 5], [3, 1]]), { ...PLAIN, collapse: true })
  assert.deepEqual(shown(tree, s), ['all 9', '  main:1 9', '    fib:4 8', '      add:8 8(8)', '    b:1 1', '      a:1 1(1)'])
})

test('threads as outermost boxes, also of holders that were not seen', () => {
  const s = new Symbols(recordingOf(['main:1', 'main:1 > work:2']), true)
  const tree = mergedTree(s, inputOf([[1, 3, 0, 0], [2, 4, 0, 1], [1, 1, 0, 1], [0, 2, 7, 0xffffffff]], true), { ...PLAIN, byThread: true })
  assert.deepEqual(shown(tree, s), [
    'all 10', '  T1 (101) 5', '    main:1 5(1)', '      work:2 4(4)', '  T0 (100) 3', '    main:1 3(3)', '  (thread not known) 2', '    (no stack taken) 2', '      holder not seen 2(2)',
  ])
})

test('hidden functions leave the tree and are counted', () => {
  const s = new Symbols(recordingOf(STACKS), true)
  const idle = s.functionSymbol([...s.ofFrame].find((f) => s.name(f) === 'idle')!)
  const tree = mergedTree(s, inputOf([[1, 3], [3, 4], [0, 2]]), { ...PLAIN, hidden: new Set([idle, s.box(8)]) })
  assert.deepEqual(shown(tree, s), ['all 3', '  main:1 3', '    work:2 3(3)'])
  assert.equal(tree.hidden, 6)
})

/* Rows in time order, per thread. */
function timeOf(s: Symbols, ...threads: [stack: number, weight: number, leaf?: number][][]): Tree {
  const all = threads.flat(), size = { total: all.reduce((sum, r) => sum + r[1], 0), rows: all.length, threads: threads.length }
  return timeTree(s, PLAIN, size, (sink) => threads.forEach((rows, thread) => {
    sink.group(thread)
    rows.forEach(([stack, weight, leaf = 0], row) => sink.add(stack, leaf, weight, thread, row, 1))
  }))
}

test('time order merges with neighbours in time only', () => {
  const s = new Symbols(recordingOf(STACKS), true)
  const rows = [[1, 3], [1, 2], [4, 1], [1, 5], [3, 1]] as [number, number][]
  const tree = timeOf(s, rows)
  assert.deepEqual(shown(tree, s), ['all 12', '  main:1 5', '    work:2 5(5)', '  loop:5 1(1)', '  main:1 6', '    work:2 5(5)', '    idle:9 1(1)'])
  assert.deepEqual([...tree.x].map((x, b) => [x, tree.width[b]]), [[0, 12], [0, 5], [0, 5], [5, 1], [6, 6], [6, 5], [11, 1]])
  assert.deepEqual([...tree.row], [3, 0, 0, 2, 3, 3, 4])
  assert.equal(tree.merged, 0)
  assert.deepEqual(shown(timeOf(s, rows, [], [[3, 1]]), s).filter((l) => /^ {2}\S/.test(l)), ['  T0 (100) 12', '  (thread not known) 1'])
})

test('time order of very many rows: merged within slices, nothing lost, the order of slices kept', () => {
  const s = new Symbols(recordingOf(STACKS), true), first: [number, number][] = [], second: [number, number][] = []
  for (let i = 0; i < 30000; i++) first.push([1 + (i % 2), 2])
  for (let i = 0; i < 30000; i++) second.push([3 + (i % 2), 1])
  const tree = timeOf(s, [...first, ...second])
  assert.ok(tree.n < 5000, `${tree.n} boxes`)
  assert.ok(tree.merged > 0 && tree.merged < 0.002, `${tree.merged}`)
  sound(tree, 90000, 'all')
  let loops = 0
  for (let b = 1; b < tree.n; b++) if (s.name(tree.symbol[b]!) === 'loop') (loops += tree.total[b]!), assert.ok(tree.x[b]! >= 59900)
  assert.equal(loops, 15000)
})

test('difference: per second of each range; width is both together', () => {
  const s = new Symbols(recordingOf(STACKS), true)
  const input = { ...inputOf([[1, 20], [3, 10]]), base: inputOf([[1, 4], [4, 6]]).sums, seconds: 10, baseSeconds: 2 }
  const tree = mergedTree(s, input, PLAIN)
  assert.deepEqual(shown(tree, s, (b) => ` base ${tree.base![b]} width ${tree.width[b]}`), [
    'all 30 base 10 width 8', '  main:1 30 base 4 width 5', '    work:2 20(20) base 4 width 4', '    idle:9 10(10) base 0 width 1', '  loop:5 0 base 6 width 3',
  ])
})

test('callers and callees of a function, from its outermost box', () => {
  const s = new Symbols(recordingOf(['main:1 > f:2 > g:3', 'boot:1 > main:1 > f:2 > f:5', 'main:1 > g:3']), true)
  const f = s.functionSymbol([...s.ofFrame].find((x) => s.name(x) === 'f')!)
  const input = inputOf([[1, 3], [2, 5], [3, 100]])
  assert.deepEqual(shown(treeAround(s, input, PLAIN, f, false), s), ['f:2 8', '  f:5 5(5)', '  g:3 3(3)'])
  assert.deepEqual(shown(treeAround(s, input, PLAIN, f, true), s).map((l) => l.replace(/\(.*/, '')), ['f:2 8', '  main:1 8', '    boot:1 5'])
})

test('functions: recursion counts once, self is the innermost', () => {
  const s = new Symbols(recordingOf(['main:1 > f:2 > f:3 > f:2', 'main:1 > f:2', 'main:1']), true)
  const sums = functionSums(s, inputOf([[1, 3], [2, 5], [3, 1]]), PLAIN)
  const rows = Array.from({ length: sums.n }, (_, i) => [s.name(sums.symbol[i]!), sums.self[i], sums.total[i]])
  assert.deepEqual(rows.sort(), [['f', 8, 8], ['main', 1, 9]])
})

test('a path finds its box again, also among equal neighbours, and as deep as it is there', () => {
  const s = new Symbols(recordingOf(STACKS), true)
  const tree = timeOf(s, [1, 4, 2, 4, 1].map((stack) => [stack, 2, 3]))
  for (let b = 0; b < tree.n; b++) assert.equal(boxAt(tree, s, pathOf(tree, s, b)), b)
  const last = pathOf(tree, s, tree.n - 1)
  assert.equal(boxAt(tree, s, `${last}.zz`), tree.n - 1)
  assert.equal(boxAt(tree, s, 'NaN.~.<script>'), 0)
  assert.deepEqual(ancestors(tree, tree.n - 1).map((b) => tree.depth[b]), [0, 1, 2, 3])
})

test('a stack that is deeper than any of Python, or turns in circles, is cut and marked', () => {
  const deep = Array.from({ length: 3000 }, (_, i) => `f${i % 7}:${i + 1}`).join(' > ')
  const rec = recordingOf([deep])
  const tree = mergedTree(new Symbols(rec, true), inputOf([[1, 1]]), PLAIN)
  assert.equal(tree.depthMax, 513)
  rec.stacks.parent[3] = 5
  assert.ok(mergedTree(new Symbols(rec, true), inputOf([[1, 1]]), { ...PLAIN, collapse: true }).n < 12)
})

/* Of a recording of some size: every layout keeps the total, and each box holds its children. */
const rec = synthetic({ threads: 20, intervals: 60000, seed: 5, locks: 1, processes: 1 })
const ALL = { range: null, process: null, thread: null, lock: null }

function sound(tree: Tree, total: number, what: string): void {
  assert.equal(tree.total[0]! + tree.hidden, total, what)
  for (let b = 0; b < tree.n; b++) {
    let children = 0, at = tree.x[b]!
    for (let i = tree.from[b]!; i < tree.from[b + 1]!; i++) {
      const c = tree.order[i]!
      assert.ok(c > b && tree.parent[c] === b && tree.depth[c] === tree.depth[b]! + 1)
      assert.equal(tree.x[c], at)
      at += tree.width[c]!
      children += tree.total[c]!
    }
    assert.equal(children + tree.self[b]!, tree.total[b], what)
  }
}

for (const source of ['blame', 'wait', 'blocked', 'gil'] as const)
  test(`${source}: the root is the total in every layout`, () => {
    const sums = new StackSums(true), size = sourceSize(rec, source, ALL)
    readSource(rec, source, ALL, sums)
    const input = { sums, base: null, seconds: 1, baseSeconds: 1 }
    for (const lines of [true, false]) {
      const s = new Symbols(rec, lines)
      const hidden = new Set([s.functionSymbol(s.ofFrame[20]!)])
      for (const shape of [PLAIN, { ...PLAIN, inverted: true }, { ...PLAIN, collapse: true, byThread: true }, { ...PLAIN, hidden }]) {
        sound(mergedTree(s, input, shape), size.total, JSON.stringify(shape))
        sound(timeTree(s, shape, size, (sink) => readSource(rec, source, ALL, sink)), size.total, `time ${JSON.stringify(shape)}`)
      }
      const table = functionSums(s, input, PLAIN)
      assert.equal(table.self.reduce((a, b) => a + b, 0), size.total)
      for (let i = 0; i < table.n; i += 7) {
        const around = (callers: boolean) => treeAround(s, input, PLAIN, table.symbol[i]!, callers)
        assert.equal(around(true).total[0], table.total[i])
        assert.equal(around(false).total[0], table.total[i])
      }
    }
  })

test('the quick way to a left-heavy tree and the plain one give the same', () => {
  const sums = new StackSums(false)
  readSource(rec, 'blame', ALL, sums)
  const s = new Symbols(rec, true), input = { sums, base: null, seconds: 1, baseSeconds: 1 }
  assert.deepEqual(shown(mergedTree(s, input, PLAIN), s), shown(mergedTree(s, input, { ...PLAIN, hidden: new Set([-99]) }), s))
})
