/* What a flame graph shows: a tree with its names, units and words.  No drawing here. */
import { abs } from '../../data/math'
import { SOURCES, boxKind, type BoxKind } from '../../data/flame_sources'
import { boxName } from '../../data/flame_search'
import { ROOT_SYMBOL, type Symbols } from '../../data/flame_symbols'
import { ancestors, type Tree } from '../../data/flame_tree'
import type { FlameSource } from '../../state'
import { counted, duration, fileLine, percent } from '../../ui/format'

export interface Graph {
  tree: Tree
  symbols: Symbols
  source: FlameSource
  unitNs: number
  seconds: number /* of the selection and of the baseline: a difference is told per second */
  baseSeconds: number
  callers: boolean /* drawn upwards from its root */
}

export type Kind = 'root' | 'frame' | BoxKind

export function kindOf(g: Graph, box: number): Kind {
  const symbol = g.tree.symbol[box]!
  return symbol === ROOT_SYMBOL ? 'root' : g.symbols.isFrame(symbol) ? 'frame' : boxKind(g.symbols.code(symbol))
}

export function nameOf(g: Graph, box: number): string {
  return boxName(g.symbols, g.tree.symbol[box]!)
}

/* "contended.py:38", empty for a box without a frame; the function in the middle of a sandwich is all its lines. */
export function placeOf(g: Graph, box: number, full = false): string {
  const symbol = g.tree.symbol[box]!
  const file = g.symbols.file(symbol)
  return file ? fileLine({ function: '', file, line: (box && g.symbols.line(symbol)) || null }, full ? Infinity : 1) : ''
}

export function isDiff(g: Graph): boolean {
  return g.tree.base !== null
}

/* Per second of each range, in nanoseconds. */
export function rates(g: Graph, box: number): [now: number, base: number] {
  return [(g.tree.total[box]! * g.unitNs) / g.seconds, ((g.tree.base?.[box] ?? 0) * g.unitNs) / g.baseSeconds]
}

/* -1 only in the baseline … 0 the same … 1 only in the selection */
export function change(g: Graph, box: number): number {
  const [now, base] = rates(g, box)
  return now + base > 0 ? (now - base) / (now + base) : 0
}

export function changeWord(g: Graph, box: number): string {
  const [now, base] = rates(g, box)
  if (!base) return 'new'
  if (!now) return 'gone'
  const times = now / base
  return abs(times - 1) < 0.02 ? 'unchanged' : times >= 2 ? `${times.toFixed(1)} times as much` : `${times > 1 ? '+' : '−'}${percent(abs(times - 1))}`
}

export function perSecond(ns: number): string {
  return `${duration(ns)}/s`
}

/* A weight in words: time; of a difference both rates. */
export function amount(g: Graph, box: number): string {
  const [now, base] = rates(g, box)
  return isDiff(g) ? `${perSecond(now)}, before ${perSecond(base)}` : duration(g.tree.total[box]! * g.unitNs)
}

export function selfAmount(g: Graph, box: number): string {
  return isDiff(g) ? perSecond((g.tree.self[box]! * g.unitNs) / g.seconds) : duration(g.tree.self[box]! * g.unitNs)
}

/* Of what the widths mean: the selection, or both ranges together. */
export function share(g: Graph, box: number, of: number): string {
  return percent(g.tree.width[box]!, g.tree.width[of]!)
}

export function itemsText(g: Graph, box: number): string {
  return counted(g.tree.items[box]!, ...SOURCES[g.source].items)
}

/* For people who cannot see it. */
export function spoken(g: Graph, box: number): string {
  const place = placeOf(g, box)
  const children = g.tree.from[box + 1]! - g.tree.from[box]!
  const change = isDiff(g) ? `, ${changeWord(g, box)}` : ''
  return `${nameOf(g, box)}${place ? `, ${place}` : ''}: ${amount(g, box)}, ${share(g, box, 0)}${change}, ${counted(children, g.callers || g.tree.inverted ? 'caller' : 'callee')}`
}

/* As text, innermost first. */
export function stackOf(g: Graph, box: number): string {
  const way = ancestors(g.tree, box).filter((b) => g.tree.symbol[b] !== ROOT_SYMBOL)
  const lines = way.map((b) => (placeOf(g, b) ? `${nameOf(g, b)} (${placeOf(g, b, true)})` : nameOf(g, b)))
  return (g.callers || g.tree.inverted ? lines : lines.reverse()).join('\n')
}
