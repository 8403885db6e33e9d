/* What the boxes of a flame graph are labelled with.  Pure.  A symbol is a number: a frame's stands for all frames of the
 * same line (or of the same function), those from `frames` on are boxes without a frame (flame_sources.ts). */
import { i32 } from './math'
import { BOXES_END, PairIndex, boxText } from './flame_sources'
import type { Recording } from './recording'

export const ROOT_SYMBOL = -1
export const TRUNCATED = 1
export const TORN = 2

export class Symbols {
  readonly frames: number
  readonly ofFrame: Int32Array /* of a frame: its symbol */
  readonly functionOf: Int32Array /* of a frame: the symbol of its function */
  private readonly wholeRoots = new Set<number>() /* functions that were seen outermost in whole stacks */

  constructor(readonly rec: Recording, readonly lines: boolean) {
    const { function: fn, file, line } = rec.stacks
    this.frames = fn.length
    this.functionOf = i32(this.frames)
    this.ofFrame = lines ? i32(this.frames) : this.functionOf
    const functions = new PairIndex(), byLine = new PairIndex()
    const firstOf: number[] = [], firstOfLine: number[] = []
    for (let f = 0; f < this.frames; f++) {
      const id = functions.of(fn[f]!, file[f]!)
      this.functionOf[f] = firstOf[id] ??= f
      if (!lines) continue
      const lineId = byLine.of(id, line[f]!)
      this.ofFrame[f] = firstOfLine[lineId] ??= f
    }
    this.findWholeRoots()
  }

  private findWholeRoots(): void {
    const { node, flags, parent, frame } = this.rec.stacks
    const outermost = i32(parent.length)
    for (let n = 1; n < parent.length; n++) outermost[n] = parent[n] === 0 || parent[n]! >= n ? frame[n]! : outermost[parent[n]!]!
    for (let s = 1; s < node.length; s++) if (!flags[s] && node[s]) this.wholeRoots.add(this.functionOf[outermost[node[s]!]!]!)
  }

  /* A stack that was cut off: more callers were there.  A torn one that ends where whole ones end lost nothing. */
  outerMissing(flags: number, outermostFrame: number): boolean {
    return (flags & TRUNCATED) !== 0 || ((flags & TORN) !== 0 && !this.wholeRoots.has(this.functionOf[outermostFrame]!))
  }

  box(code: number): number {
    return this.frames + code
  }
  isFrame(symbol: number): boolean {
    return symbol >= 0 && symbol < this.frames
  }
  /* A number from outside that means something. */
  isKnown(symbol: number): boolean {
    return Number.isInteger(symbol) && symbol >= 0 && symbol < this.frames + BOXES_END
  }
  code(symbol: number): number {
    return symbol - this.frames
  }
  /* The symbol of the function that a box belongs to; boxes without a frame are their own. */
  functionSymbol(symbol: number): number {
    return this.isFrame(symbol) ? this.functionOf[symbol]! : symbol
  }
  name(symbol: number): string {
    if (symbol === ROOT_SYMBOL) return 'all'
    return this.isFrame(symbol) ? this.rec.strings[this.rec.stacks.function[symbol]!] || '?' : boxText(this.rec, symbol - this.frames)
  }
  file(symbol: number): string {
    return this.isFrame(symbol) ? (this.rec.strings[this.rec.stacks.file[symbol]!] ?? '') : ''
  }
  line(symbol: number): number {
    return this.lines && this.isFrame(symbol) ? this.rec.stacks.line[symbol]! : 0
  }
  /* In the URL: short, and the same for the same recording. */
  key(symbol: number): string {
    return this.isFrame(symbol) ? symbol.toString(36) : `-${(symbol - this.frames).toString(36)}`
  }
  ofKey(key: string): number {
    const number = parseInt(key, 36)
    return Number.isNaN(number) ? NaN : key[0] === '-' ? this.frames - number : number
  }
}
