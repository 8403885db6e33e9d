/* Weighted stacks to trees of calls: merged (left-heavy), inverted, in time order, around one function, as a difference.
 * Pure.  A tree is columns, a box is a number: 0 is the root, a parent has a smaller number than its children. */
import { f64, i32, max, min, u32 } from './math'
import { BOX_NO_STACK, BOX_OUTER_MISSING, BOX_THREAD, LEAF_NONE, PairIndex, type Sink, type StackSums } from './flame_sources'
import { ROOT_SYMBOL, TORN, type Symbols } from './flame_symbols'
import { NONE } from './recording'

const DEPTH_MAX = 512 /* frames of a stack that are shown, innermost first: no stack of Python's is recorded so deep */
const EXACT_ROWS = 20000 /* in time order: more are merged within slices of the width */
const SLICES = 1024
const SLICED_STACKS = 10000 /* that all slices together have at most, about */

export interface Tree {
  n: number
  parent: Int32Array /* -1 of the root */
  symbol: Int32Array
  depth: Uint16Array
  /* children of box b: order[from[b]] … order[from[b + 1] - 1], as they are drawn */
  from: Int32Array
  order: Int32Array
  total: Float64Array
  self: Float64Array
  items: Float64Array
  torn: Float64Array /* the part of total whose stacks were readable only in part */
  largest: Float64Array /* weight of the largest single one in the box, and its row (NONE: only counted ones) */
  row: Uint32Array
  base: Float64Array | null /* total and self in the baseline */
  baseSelf: Float64Array | null
  x: Float64Array /* begin on the x axis; the root is [0, width[0]) */
  width: Float64Array
  depthMax: number
  hidden: number /* weight that was left out, also of the baseline */
  hiddenBase: number
  inverted: boolean
  merged: number /* in time order: boxes are merged within up to this part of the width, 0 only with neighbours */
}

/* Both sets in "per second" when there is a baseline; width is what both have together, so that gone boxes are seen. */
export interface Input { sums: StackSums; base: StackSums | null; seconds: number; baseSeconds: number }
export interface Shape { inverted: boolean; collapse: boolean; byThread: boolean; hidden: ReadonlySet<number> }

/* The boxes of one stack, innermost first. */
class Path {
  readonly boxes = i32(DEPTH_MAX + 4)
  n = 0
  flags = 0
  private readonly seen: Int32Array
  private stamp = 0

  constructor(private readonly symbols: Symbols, private readonly shape: Shape) {
    this.seen = i32(shape.collapse ? symbols.frames : 0)
  }

  /* false: it is hidden */
  read(stack: number, leaf: number): boolean {
    const { symbols: s, shape } = this
    const { node, flags, parent, frame } = s.rec.stacks
    let visible = true, last = -1, depth = 0
    this.n = 0
    this.stamp++
    this.flags = flags[stack] ?? 0
    if (leaf !== LEAF_NONE) visible = this.push(s.box(leaf))
    let at = node[stack] ?? 0
    if (!at) return this.push(s.box(BOX_NO_STACK)) && visible
    for (; at > 0 && depth < DEPTH_MAX; at = parent[at]! < at ? parent[at]! : 0, depth++) {
      last = frame[at]!
      const fn = s.functionOf[last]!
      if (shape.hidden.size && shape.hidden.has(fn)) visible = false
      if (shape.collapse) {
        if (this.seen[fn] === this.stamp) continue
        this.seen[fn] = this.stamp
      }
      this.boxes[this.n++] = s.ofFrame[last]!
    }
    return (at > 0 || s.outerMissing(this.flags, last) ? this.push(s.box(BOX_OUTER_MISSING)) : true) && visible
  }

  private push(symbol: number): boolean {
    this.boxes[this.n++] = symbol
    return !this.shape.hidden.has(symbol)
  }
}

/* A tree while it grows: its shape, and what is added to single boxes. */
class Builder {
  n = 1
  symbol = i32(1024)
  parent = i32(1024)
  depth = new Uint16Array(1024)
  hidden = 0
  hiddenBase = 0
  private readonly pairs = new PairIndex()
  private at: number[] = []
  private set: number[] = []
  private entry: number[] = []

  constructor(root: number) {
    this.symbol[0] = root
    this.parent[0] = -1
  }

  child(parent: number, symbol: number): number {
    const id = this.pairs.of(parent, symbol) + 1
    return id === this.n ? this.append(parent, symbol) : id
  }

  append(parent: number, symbol: number): number {
    const id = this.n++
    if (id === this.symbol.length) this.grow()
    this.symbol[id] = symbol
    this.parent[id] = parent
    this.depth[id] = this.depth[parent]! + 1
    return id
  }

  /* Down from box `at` along path.boxes[from], path.boxes[from + step] … before `to`. */
  walk(at: number, path: Path, from: number, to: number, step: number): number {
    for (let i = from; i !== to; i += step) at = this.child(at, path.boxes[i]!)
    return at
  }

  /* Entry of set 0 (the selection) or 1 (the baseline) ends in this box. */
  ends(at: number, set: number, entry: number): void {
    this.at.push(at)
    this.set.push(set)
    this.entry.push(entry)
  }

  finish(input: Input, inverted: boolean, tornOf: (stack: number) => boolean): Tree {
    const tree = this.columns(input.base !== null, inverted)
    for (let i = 0; i < this.at.length; i++) {
      const at = this.at[i]!, e = this.entry[i]!
      if (this.set[i]) {
        tree.baseSelf![at]! += input.base!.weight(e)
        continue
      }
      const sums = input.sums, weight = sums.weight(e)
      tree.self[at]! += weight
      tree.items[at]! += sums.count(e)
      if (tornOf(sums.stack(e))) tree.torn[at]! += weight
      largestIn(tree, at, sums.largestOf(e), sums.rowOf(e))
    }
    sumUp(tree)
    const scale = input.base ? 1 / input.seconds : 1, baseScale = 1 / input.baseSeconds
    for (let b = 0; b < tree.n; b++) tree.width[b] = tree.total[b]! * scale + (tree.base ? tree.base[b]! * baseScale : 0)
    place(tree, true)
    return tree
  }

  columns(diff: boolean, inverted: boolean): Tree {
    const n = this.n
    const floats = () => f64(n)
    return {
      n, parent: this.parent.slice(0, n), symbol: this.symbol.slice(0, n), depth: this.depth.slice(0, n),
      from: i32(n + 1), order: i32(n), total: floats(), self: floats(), items: floats(), torn: floats(),
      largest: floats(), row: u32(n).fill(NONE), base: diff ? floats() : null, baseSelf: diff ? floats() : null,
      x: floats(), width: floats(), depthMax: 0, hidden: this.hidden, hiddenBase: this.hiddenBase, inverted, merged: 0,
    }
  }

  private grow(): void {
    const size = this.symbol.length * 2
    const widen = <T extends Int32Array | Uint16Array>(old: T, wide: T): T => (wide.set(old), wide)
    this.symbol = widen(this.symbol, i32(size))
    this.parent = widen(this.parent, i32(size))
    this.depth = widen(this.depth, new Uint16Array(size))
  }
}

function largestIn(tree: Tree, at: number, weight: number, row: number): void {
  if (row === NONE || weight <= tree.largest[at]!) return
  tree.largest[at] = weight
  tree.row[at] = row
}

/* From the leaves to the root. */
function sumUp(tree: Tree): void {
  const { n, parent, total, self, items, torn, base, baseSelf, largest, row } = tree
  total.set(self)
  if (base) base.set(baseSelf!)
  for (let b = n - 1; b > 0; b--) {
    const p = parent[b]!
    total[p]! += total[b]!
    items[p]! += items[b]!
    torn[p]! += torn[b]!
    if (base) base[p]! += base[b]!
    largestIn(tree, p, largest[b]!, row[b]!)
  }
}

/* Children in their order, and where each box begins. */
function place(tree: Tree, byWidth: boolean): void {
  const { n, parent, from, order, x, width, depth, symbol } = tree
  for (let b = 1; b < n; b++) from[parent[b]! + 1]!++
  for (let b = 0; b < n; b++) from[b + 1]! += from[b]!
  const fill = from.slice(0, n)
  for (let b = 1; b < n; b++) order[fill[parent[b]!]!++] = b
  const wider = (a: number, b: number) => width[b]! - width[a]! || symbol[a]! - symbol[b]!
  let depthMax = 0
  for (let b = 0; b < n; b++) {
    const begin = from[b]!, end = from[b + 1]!
    if (byWidth && end - begin > 1) order.subarray(begin, end).sort(wider)
    let at = x[b]!
    for (let i = begin; i < end; i++) {
      x[order[i]!] = at
      at += width[order[i]!]!
    }
    if (depth[b]! > depthMax) depthMax = depth[b]!
  }
  tree.depthMax = depthMax
}

function threadBox(symbols: Symbols, thread: number): number {
  return symbols.box(BOX_THREAD + min(thread, symbols.rec.threads.length))
}

/* Left-heavy: callers above, callees below; inverted: the innermost frames are on top, their callers below. */
export function mergedTree(symbols: Symbols, input: Input, shape: Shape): Tree {
  const builder = new Builder(ROOT_SYMBOL), path = new Path(symbols, shape)
  const quick = shape.inverted || shape.collapse || shape.hidden.size ? null : new Trunk(symbols, builder)
  for (const [set, sums] of [input.sums, input.base].entries())
    for (let e = 0; sums && e < sums.n; e++) {
      const root = shape.byThread ? builder.child(0, threadBox(symbols, sums.thread(e))) : 0
      const at = quick ? quick.reach(root, sums.stack(e)) : -1
      if (at >= 0) builder.ends(sums.leaf(e) ? builder.child(at, symbols.box(sums.leaf(e))) : at, set, e)
      else if (!path.read(sums.stack(e), sums.leaf(e))) set ? (builder.hiddenBase += sums.weight(e)) : (builder.hidden += sums.weight(e))
      else builder.ends(shape.inverted ? builder.walk(root, path, 0, path.n, 1) : builder.walk(root, path, path.n - 1, -1, -1), set, e)
    }
  return builder.finish(input, shape.inverted, tornTest(symbols))
}

function tornTest(symbols: Symbols): (stack: number) => boolean {
  const { flags } = symbols.rec.stacks
  return (stack) => (flags[stack]! & TORN) !== 0
}

/* The recording's stacks share their outer frames already: each of its nodes is looked up once. */
class Trunk {
  private readonly box: Int32Array
  private readonly under: Int32Array /* the root for which box is right, + 1 */
  private readonly way = i32(DEPTH_MAX)

  constructor(private readonly symbols: Symbols, private readonly builder: Builder) {
    const nodes = symbols.rec.stacks.parent.length
    this.box = i32(nodes)
    this.under = i32(nodes)
  }

  /* -1: not for this one (no stack, cut off) */
  reach(root: number, stack: number): number {
    const { node, flags, parent, frame } = this.symbols.rec.stacks
    let at = node[stack] ?? 0, n = 0
    if (!at || flags[stack]) return -1
    for (; at > 0 && this.under[at] !== root + 1; at = parent[at]! < at ? parent[at]! : 0) {
      if (n === DEPTH_MAX) return -1
      this.way[n++] = at
    }
    let box = at > 0 ? this.box[at]! : root
    if (this.builder.depth[box]! + n > DEPTH_MAX) return -1
    while (n-- > 0) {
      box = this.builder.child(box, this.symbols.ofFrame[frame[this.way[n]!]!]!)
      this.box[this.way[n]!] = box
      this.under[this.way[n]!] = root + 1
    }
    return box
  }
}

/* What a function calls, or who calls it, from its outermost box in each stack; the root is the function. */
export function treeAround(symbols: Symbols, input: Input, shape: Shape, fn: number, callers: boolean): Tree {
  const builder = new Builder(fn), path = new Path(symbols, shape)
  for (const [set, sums] of [input.sums, input.base].entries())
    for (let e = 0; sums && e < sums.n; e++) {
      const seen = path.read(sums.stack(e), sums.leaf(e))
      let i = path.n - 1
      while (i >= 0 && symbols.functionSymbol(path.boxes[i]!) !== fn) i--
      if (i < 0) continue
      if (!seen) set ? (builder.hiddenBase += sums.weight(e)) : (builder.hidden += sums.weight(e))
      else builder.ends(callers ? builder.walk(0, path, i + 1, path.n, 1) : builder.walk(0, path, i - 1, -1, -1), set, e)
    }
  return builder.finish(input, callers, tornTest(symbols))
}

export interface FunctionSums { n: number; symbol: Int32Array; self: Float64Array; total: Float64Array; items: Float64Array; baseSelf: Float64Array | null; baseTotal: Float64Array | null }

/* Each function with its own time and that of what it called; recursion counts once. */
export function functionSums(symbols: Symbols, input: Input, shape: Shape): FunctionSums {
  const index = new PairIndex(), path = new Path(symbols, { ...shape, collapse: false })
  const self: number[] = [], total: number[] = [], items: number[] = [], baseSelf: number[] = [], baseTotal: number[] = [], seen: number[] = []
  let stamp = 0
  for (const [set, sums] of [input.sums, input.base].entries())
    for (let e = 0; sums && e < sums.n; e++) {
      if (!path.read(sums.stack(e), sums.leaf(e))) continue
      const weight = sums.weight(e)
      stamp++
      for (let i = 0; i < path.n; i++) {
        const f = index.of(symbols.functionSymbol(path.boxes[i]!), 0)
        if (f === total.length) for (const column of [self, total, items, baseSelf, baseTotal, seen]) column.push(0)
        if (i === 0) (set ? baseSelf : self)[f]! += weight
        if (seen[f] === stamp) continue
        seen[f] = stamp
        ;(set ? baseTotal : total)[f]! += weight
        if (!set) items[f]! += sums.count(e)
      }
    }
  const floats = (column: number[]) => Float64Array.from(column)
  return {
    n: index.n, symbol: index.a.slice(0, index.n), self: floats(self), total: floats(total), items: floats(items),
    baseSelf: input.base ? floats(baseSelf) : null, baseTotal: input.base ? floats(baseTotal) : null,
  }
}

/* How much there is to read: of the same source and filter. */
export interface Size { total: number; rows: number; threads: number }

/* Time order: thread after thread, each from its begin to its end; a box is merged with its neighbour in time only.  Of
 * very many rows those within a slice of the width are merged too, so that the tree stays small. */
export function timeTree(symbols: Symbols, shape: Shape, size: Size, read: (sink: Sink) => void): Tree {
  const builder = new TimeBuilder(symbols, shape, size)
  read(builder)
  return builder.tree()
}

class TimeBuilder implements Sink {
  private readonly builder = new Builder(ROOT_SYMBOL)
  private readonly path: Path
  private readonly sliceWeight: number
  private readonly rowsPerStack: number /* that a slice has at least */
  private thread = NONE
  private root = 0
  private slice = 1
  private sliceRows = 0
  private sliceSum = 0
  private widest = 0
  /* Of the slice: its stacks, each with its sums */
  private readonly stacks = new PairIndex()
  private readonly touched: number[] = []
  private sliceOfStack: Int32Array = i32(1024)
  private readonly weight: number[] = []
  private readonly items: number[] = []
  private readonly largest: number[] = []
  private readonly row: number[] = []
  /* Of the boxes */
  private readonly latest = new PairIndex()
  private latestBox: Int32Array = i32(1024)
  private sliceOfBox: Int32Array = i32(1024) /* the slice it was last used in */
  private lastChild: Int32Array = i32(1024)
  private readonly done = { box: [] as number[], stack: [] as number[], weight: [] as number[], items: [] as number[], largest: [] as number[], row: [] as number[] }

  constructor(private readonly symbols: Symbols, private readonly shape: Shape, private readonly size: Size) {
    this.path = new Path(symbols, shape)
    this.sliceWeight = size.rows > EXACT_ROWS ? size.total / SLICES : 0
    this.rowsPerStack = size.rows > EXACT_ROWS ? size.rows / SLICED_STACKS : 0
  }

  group(thread: number): void {
    this.flush()
    this.thread = thread
    this.root = -1
  }

  add(stack: number, leaf: number, weight: number, _thread: number, row: number, items: number): void {
    if (this.root < 0) this.root = this.size.threads > 1 ? this.append(0, threadBox(this.symbols, this.thread)) : 0
    const s = this.stacks.of(stack, leaf)
    if (s >= this.sliceOfStack.length) this.sliceOfStack = doubled(this.sliceOfStack)
    if (this.sliceOfStack[s] !== this.slice) {
      this.sliceOfStack[s] = this.slice
      this.touched.push(s)
      this.weight[s] = this.items[s] = this.largest[s] = 0
      this.row[s] = NONE
    }
    this.weight[s]! += weight
    this.items[s]! += items
    if (weight > this.largest[s]! && row !== NONE) {
      this.largest[s] = weight
      this.row[s] = row
    }
    this.sliceSum += weight
    this.sliceRows++
    if (this.sliceSum >= this.sliceWeight && this.sliceRows >= this.rowsPerStack * this.touched.length) this.flush()
  }

  /* The end of a slice: its stacks become boxes. */
  private flush(): void {
    const { done } = this
    for (const s of this.touched) {
      const stack = this.stacks.a[s]!, box = this.insert(this.root, stack, this.stacks.b[s]!)
      if (box < 0) {
        this.builder.hidden += this.weight[s]!
        continue
      }
      done.box.push(box)
      done.stack.push(stack)
      done.weight.push(this.weight[s]!)
      done.items.push(this.items[s]!)
      done.largest.push(this.largest[s]!)
      done.row.push(this.row[s]!)
    }
    if (this.sliceRows > 1) this.widest = max(this.widest, this.sliceSum)
    this.touched.length = this.sliceRows = this.sliceSum = 0
    this.slice++
  }

  private insert(at: number, stack: number, leaf: number): number {
    if (!this.path.read(stack, leaf)) return -1
    const { boxes, n } = this.path
    for (let i = 0; i < n; i++) at = this.under(at, boxes[this.shape.inverted ? i : n - 1 - i]!)
    return at
  }

  private under(parent: number, symbol: number): number {
    const last = this.lastChild[parent]!
    if (last && this.builder.symbol[last] === symbol) return this.use(last)
    const pair = this.sliceWeight ? this.latest.of(parent, symbol) : -1
    const box = pair >= 0 ? (this.latestBox[pair] ?? 0) : 0
    if (box && this.sliceOfBox[box] === this.slice) return box
    const made = this.append(parent, symbol)
    if (pair >= this.latestBox.length) this.latestBox = doubled(this.latestBox)
    if (pair >= 0) this.latestBox[pair] = made
    return made
  }

  private append(parent: number, symbol: number): number {
    const box = this.builder.append(parent, symbol)
    if (box >= this.lastChild.length) [this.sliceOfBox, this.lastChild] = [doubled(this.sliceOfBox), doubled(this.lastChild)]
    this.lastChild[parent] = box
    return this.use(box)
  }

  private use(box: number): number {
    this.sliceOfBox[box] = this.slice
    return box
  }

  tree(): Tree {
    this.flush()
    const { done, builder } = this
    const tree = builder.columns(false, this.shape.inverted), torn = tornTest(this.symbols)
    for (let i = 0; i < done.box.length; i++) {
      const at = done.box[i]!
      tree.self[at]! += done.weight[i]!
      tree.items[at]! += done.items[i]!
      if (torn(done.stack[i]!)) tree.torn[at]! += done.weight[i]!
      largestIn(tree, at, done.largest[i]!, done.row[i]!)
    }
    sumUp(tree)
    tree.width.set(tree.total)
    place(tree, false)
    tree.merged = this.size.total > 0 ? this.widest / this.size.total : 0
    return tree
  }
}

function doubled(old: Int32Array): Int32Array<ArrayBuffer> {
  const wide = i32(old.length * 2)
  wide.set(old)
  return wide
}

/* Ways through a tree */

/* In the URL: the symbols from the root's child down, and which of several equal ones. */
export function pathOf(tree: Tree, symbols: Symbols, box: number): string {
  const parts: string[] = []
  for (; box > 0; box = tree.parent[box]!) {
    let nth = 0
    for (let i = tree.from[tree.parent[box]!]!; tree.order[i] !== box; i++) if (tree.symbol[tree.order[i]!] === tree.symbol[box]) nth++
    parts.push(symbols.key(tree.symbol[box]!) + (nth ? `~${nth}` : ''))
  }
  return parts.reverse().join('.')
}

/* The deepest box of that path that is there. */
export function boxAt(tree: Tree, symbols: Symbols, path: string): number {
  let box = 0
  for (const part of path ? path.split('.') : []) {
    const [key, nth] = part.split('~')
    const symbol = symbols.ofKey(key!)
    let left = Number(nth ?? 0), next = -1
    for (let i = tree.from[box]!; i < tree.from[box + 1]!; i++)
      if (tree.symbol[tree.order[i]!] === symbol && left-- === 0) {
        next = tree.order[i]!
        break
      }
    if (next < 0) break
    box = next
  }
  return box
}

/* Boxes from the outermost to this one. */
export function ancestors(tree: Tree, box: number): number[] {
  const way: number[] = []
  for (; box >= 0; box = tree.parent[box]!) way.push(box)
  return way.reverse()
}

/* Depth first, as drawn. */
export function nextInOrder(tree: Tree, visit: (box: number) => boolean, start = 0): void {
  const stack = [start]
  while (stack.length) {
    const box = stack.pop()!
    if (!visit(box)) continue
    for (let i = tree.from[box + 1]! - 1; i >= tree.from[box]!; i--) stack.push(tree.order[i]!)
  }
}
