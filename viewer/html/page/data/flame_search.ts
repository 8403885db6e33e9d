/* Which boxes a search means, and what part of the time they are.  Pure.  A search is a piece of a function's name or of
 * its path, "file.py:42", or /a regular expression/; capitals do not matter. */
import { u8 } from './math'
import { printable } from '../ui/format'
import type { Symbols } from './flame_symbols'
import type { Tree } from './flame_tree'

const NAME_MAX = 500 /* of a name that an expression sees */

export interface Matches {
  error: string /* why the search means nothing */
  boxes: number[] /* as drawn, outermost first */
  isMatch: Uint8Array /* of a box */
  total: number /* each stack counts once */
  base: number
}

type Test = (name: string, file: string, line: number) => boolean

function testOf(search: string): Test | string {
  const expression = /^\/(.+)\/$/s.exec(search)
  if (expression) {
    try {
      const re = new RegExp(expression[1]!, 'iu')
      return (name, file) => re.test(name.slice(0, NAME_MAX)) || re.test(file.slice(-NAME_MAX))
    } catch (error) {
      return `no regular expression: ${(error as Error).message}`
    }
  }
  const text = search.toLowerCase(), at = /^(.+):(\d+)$/s.exec(text)
  return (name, file, line) =>
    name.toLowerCase().includes(text) || file.toLowerCase().includes(text) || (at !== null && line === Number(at[2]) && `/${file.toLowerCase()}`.endsWith(at[1]!.includes('/') ? at[1]! : `/${at[1]!}`))
}

export function findBoxes(tree: Tree, symbols: Symbols, search: string): Matches {
  const matches: Matches = { error: '', boxes: [], isMatch: u8(tree.n), total: 0, base: 0 }
  const test = testOf(search)
  if (typeof test === 'string') return { ...matches, error: test }
  const { rec } = symbols, known = new Map<number, boolean>()
  const { function: fn, file, line } = rec.stacks
  const name = (of: number) => rec.strings[of] ?? ''
  /* a box of a function stands for all its lines */
  for (let f = 0; f < symbols.frames; f++) {
    const symbol = symbols.ofFrame[f]!
    if (!known.get(symbol)) known.set(symbol, test(name(fn[f]!), name(file[f]!), line[f]!))
  }
  const boxMatches = (symbol: number): boolean => {
    if (!known.has(symbol)) known.set(symbol, test(symbols.name(symbol), '', 0))
    return known.get(symbol)!
  }
  const stack = [0], inside = [0]
  while (stack.length) {
    const box = stack.pop()!, within = inside.pop()!
    const hit = box > 0 && boxMatches(tree.symbol[box]!)
    if (hit) {
      matches.isMatch[box] = 1
      matches.boxes.push(box)
      if (!within) {
        matches.total += tree.total[box]!
        matches.base += tree.base?.[box] ?? 0
      }
    }
    for (let i = tree.from[box + 1]! - 1; i >= tree.from[box]!; i--) {
      stack.push(tree.order[i]!)
      inside.push(within || hit ? 1 : 0)
    }
  }
  return matches
}

/* What a box is called; safe to show. */
export function boxName(symbols: Symbols, symbol: number): string {
  return printable(symbols.name(symbol)) || '?'
}
