/* From the view state to the graphs it asks for; what was made for the last few selections is kept. */
import { max } from '../../data/math'
import { readSource, sourceSize, StackSums, unitNs } from '../../data/flame_sources'
import { Symbols } from '../../data/flame_symbols'
import { functionSums, mergedTree, timeTree, treeAround, type FunctionSums, type Input, type Shape, type Size } from '../../data/flame_tree'
import type { Filter } from '../../data/aggregate'
import type { Recording } from '../../data/recording'
import type { FlameSource, ViewState } from '../../state'
import type { Graph } from './graph'

const KEPT = 12

class Kept<T> {
  private readonly map = new Map<string, T>()

  of(key: string, make: () => T): T {
    const known = this.map.get(key)
    const value = known ?? make()
    this.map.delete(key)
    this.map.set(key, value)
    if (this.map.size > KEPT) this.map.delete(this.map.keys().next().value!)
    return value
  }
}

export class Graphs {
  private readonly symbols: (Symbols | undefined)[] = []
  private readonly sums = new Kept<StackSums>()
  private readonly sizes = new Kept<Map<FlameSource, Size>>()
  private readonly merged = new Kept<Graph>()
  private readonly around = new Kept<Graph>()
  private readonly tables = new Kept<FunctionSums>()

  constructor(private readonly rec: Recording) {}

  filterOf(s: Readonly<ViewState>): Filter {
    return { range: s.selection, process: s.process, thread: s.thread, lock: s.lock }
  }

  symbolsOf(s: Readonly<ViewState>): Symbols {
    return (this.symbols[s.lines ? 1 : 0] ??= new Symbols(this.rec, s.lines))
  }

  size(source: FlameSource, filter: Filter): Size {
    const sizes = this.sizes.of(JSON.stringify(filter), () => new Map())
    const known = sizes.get(source) ?? sourceSize(this.rec, source, filter)
    sizes.set(source, known)
    return known
  }

  /* How fine to cut.  Blame has as much to show as the waits it divides, and these are fewer rows to add up. */
  private roughSize(source: FlameSource, filter: Filter): Size {
    if (source !== 'blame') return this.size(source, filter)
    const waits = this.size('wait', filter)
    return { ...waits, rows: (waits.rows * this.rec.credits.n) / max(1, this.rec.waits.n) }
  }

  hiddenOf(s: Readonly<ViewState>): number[] {
    const symbols = this.symbolsOf(s)
    return s.hidden.split('.').map((key) => symbols.ofKey(key)).filter((symbol) => symbols.isKnown(symbol))
  }

  /* Left-heavy or in time order. */
  graph(s: Readonly<ViewState>): Graph {
    return this.merged.of(this.key(s, s.layout === 'time' ? 'time' : 'left'), () => {
      const symbols = this.symbolsOf(s), filter = this.filterOf(s), shape = this.shape(s)
      if (s.layout === 'time') return this.wrap(s, timeTree(symbols, shape, this.roughSize(s.source, filter), (sink) => readSource(this.rec, s.source, filter, sink)), false)
      return this.wrap(s, mergedTree(symbols, this.input(s, s.byThread), shape), false)
    })
  }

  sandwich(s: Readonly<ViewState>, fn: number, callers: boolean): Graph {
    return this.around.of(this.key(s, `${fn} ${callers}`), () =>
      this.wrap(s, treeAround(this.symbolsOf(s), this.input(s, false), { ...this.shape(s), byThread: false }, fn, callers), callers))
  }

  functions(s: Readonly<ViewState>): FunctionSums {
    return this.tables.of(this.key(s, ''), () => functionSums(this.symbolsOf(s), this.input(s, false), this.shape(s)))
  }

  seconds(range: { t0: number; t1: number } | null): number {
    return max(1e-9, (range ? range.t1 - range.t0 : this.rec.durationNs) / 1e9)
  }

  /* A function that is there: the one of the URL, or the one with most time of its own. */
  centre(s: Readonly<ViewState>): number {
    const table = this.functions(s), wanted = this.symbolsOf(s).ofKey(s.root)
    let best = -1
    for (let i = 0; i < table.n; i++) {
      if (table.symbol[i] === wanted) return wanted
      if (best < 0 || table.self[i]! > table.self[best]!) best = i
    }
    return best < 0 ? -1 : table.symbol[best]!
  }

  private key(s: Readonly<ViewState>, what: string): string {
    const baseline = s.layout === 'time' ? null : s.baseline
    return JSON.stringify([what, s.source, this.filterOf(s), baseline, s.inverted, s.lines, s.byThread, s.collapse, s.hidden])
  }

  private shape(s: Readonly<ViewState>): Shape {
    return { inverted: s.inverted && s.layout !== 'sandwich', collapse: s.collapse, byThread: s.byThread, hidden: new Set(this.hiddenOf(s)) }
  }

  private sumsOf(source: FlameSource, filter: Filter, byThread: boolean): StackSums {
    return this.sums.of(JSON.stringify([source, filter, byThread]), () => {
      const sums = new StackSums(byThread)
      readSource(this.rec, source, filter, sums)
      return sums
    })
  }

  private input(s: Readonly<ViewState>, byThread: boolean): Input {
    const filter = this.filterOf(s)
    return {
      sums: this.sumsOf(s.source, filter, byThread), base: s.baseline ? this.sumsOf(s.source, { ...filter, range: s.baseline }, byThread) : null,
      seconds: this.seconds(s.selection), baseSeconds: this.seconds(s.baseline),
    }
  }

  private wrap(s: Readonly<ViewState>, tree: Graph['tree'], callers: boolean): Graph {
    return { tree, symbols: this.symbolsOf(s), source: s.source, unitNs: unitNs(this.rec, s.source), seconds: this.seconds(s.selection), baseSeconds: this.seconds(s.baseline), callers }
  }
}
