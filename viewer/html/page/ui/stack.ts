/* A stack shown as a list, innermost frame first: function, file:line, and what is wrong with it.  Used by the detail
 * panels of every view.  Names come from a stranger: each is a bidirectional island of its own. */
import type { Recording } from '../data/recording'
import { clear, el } from './dom'
import { type Place, fileLine, framePlace, printable } from './format'

export const NO_STACK = '(no stack taken)'
const SHOWN = 24 /* frames until "more outwards" */
const DEPTH_MAX = 1024 /* of a stack that is read at all: more is a broken file */

/* Innermost first; empty for "none". */
export function stackFrames(rec: Recording, stack: number): Place[] {
  const { node, parent, frame } = rec.stacks
  const frames: Place[] = []
  for (let at = node[stack] ?? 0; at > 0 && frames.length < DEPTH_MAX; at = parent[at]! < at ? parent[at]! : 0) frames.push(framePlace(rec, frame[at]!))
  return frames
}

export function stackFlags(rec: Recording, stack: number): string[] {
  const flags = rec.stacks.flags[stack] ?? 0
  return [flags & 1 ? 'deeper than was read: outer frames are missing' : '', flags & 2 ? 'readable only in part: it changed while it was read' : ''].filter((f) => f)
}

function functionName(f: Place): string {
  return printable(f.function) || '?'
}

/* As text to copy. */
export function stackText(frames: Place[]): string {
  return frames.map((f) => `${functionName(f)} (${fileLine(f, Infinity)})`).join('\n')
}

/* One element for its whole life: show() again replaces what it lists. */
export class StackList {
  readonly element = el('div.stack')

  constructor(rec?: Recording, stack?: number) {
    if (rec && stack !== undefined) this.show(rec, stack)
  }

  show(rec: Recording, stack: number, without = NO_STACK): void {
    this.frames(stackFrames(rec, stack), stackFlags(rec, stack), without)
  }

  frames(frames: Place[], flags: string[] = [], without = NO_STACK, limit = SHOWN): void {
    clear(this.element)
    if (!frames.length) {
      this.element.append(el('p.stack-none', without))
      return
    }
    const shown = frames.length <= limit + 2 ? frames.length : limit
    this.element.append(el('ol.stack-frames', ...frames.slice(0, shown).map(row)))
    if (shown < frames.length)
      this.element.append(
        el('button.stack-more', {
          type: 'button',
          on: {
            click: () => {
              this.frames(frames, flags, without, Infinity)
              this.element.querySelectorAll('li')[shown]?.scrollIntoView({ block: 'nearest' })
            },
          },
        }, `${frames.length - shown} more outwards`),
      )
    for (const flag of flags) this.element.append(el('p.stack-flag', flag))
  }
}

function row(f: Place): HTMLElement {
  return el(
    'li',
    { title: `${functionName(f)}\n${fileLine(f, Infinity)}` },
    el('bdi.stack-function', functionName(f)),
    ' ',
    el('bdi.stack-place', fileLine(f)),
  )
}
