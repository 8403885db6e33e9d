/* A stack shown as a list, innermost frame first: function, file:line, and what is wrong with it.  Used by the detail
 * panels of every view.  Names come from a stranger: control and direction characters are made visible, each name is a
 * bidirectional island of its own. */
import type { Recording } from '../data/recording'
import { clear, el } from './dom'

export interface Frame { function: string; file: string; line: number }
export const NO_STACK = '(no stack taken)'
const SHOWN = 24 /* frames until "show all" */
const DEPTH_MAX = 1024 /* of a stack that is read at all: more is a broken file */

/* Control characters become their pictures, those that turn the direction of text their code points. */
export function visible(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g, (c) => {
    const code = c.charCodeAt(0)
    return code < 32 ? String.fromCharCode(0x2400 + code) : code === 127 ? '\u2421' : `<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`
  })
}

/* The last part of a path; what the page shows where there is little room. */
export function baseName(path: string): string {
  const cut = path.replace(/\/+$/, '')
  return cut.slice(cut.lastIndexOf('/') + 1) || path
}

export function place(file: string, line: number, full = false): string {
  const name = file === '' ? '?' : visible(full ? file : baseName(file))
  return line ? `${name}:${line}` : name
}

export function frameOf(rec: Recording, frame: number): Frame {
  const s = rec.stacks
  return { function: rec.strings[s.function[frame]!] || '?', file: rec.strings[s.file[frame]!] ?? '', line: s.line[frame] ?? 0 }
}

/* Innermost first; empty for "none". */
export function stackFrames(rec: Recording, stack: number): Frame[] {
  const { node, parent, frame } = rec.stacks
  const frames: Frame[] = []
  for (let at = node[stack] ?? 0; at > 0 && frames.length < DEPTH_MAX; at = parent[at]! < at ? parent[at]! : 0) frames.push(frameOf(rec, frame[at]!))
  return frames
}

export function stackFlags(rec: Recording, stack: number): string[] {
  const flags = rec.stacks.flags[stack] ?? 0
  return [flags & 1 ? 'deeper than was read: outer frames are missing' : '', flags & 2 ? 'readable only in part: it changed while it was read' : ''].filter((f) => f)
}

/* As text to copy. */
export function stackText(frames: Frame[]): string {
  return frames.map((f) => `${visible(f.function)} (${place(f.file, f.line, true)})`).join('\n')
}

/* One element for its whole life: show() again replaces what it lists. */
export class StackList {
  readonly element = el('div', { class: 'stack' })

  constructor(rec?: Recording, stack?: number) {
    if (rec && stack !== undefined) this.show(rec, stack)
  }

  show(rec: Recording, stack: number, without = NO_STACK): void {
    this.frames(stackFrames(rec, stack), stackFlags(rec, stack), without)
  }

  frames(frames: Frame[], flags: string[] = [], without = NO_STACK, limit = SHOWN): void {
    clear(this.element)
    if (!frames.length) {
      this.element.append(el('p', { class: 'stack-none', text: without }))
      return
    }
    const shown = frames.length <= limit + 2 ? frames.length : limit
    this.element.append(el('ol', { class: 'stack-frames' }, ...frames.slice(0, shown).map(row)))
    if (shown < frames.length)
      this.element.append(
        el('button', {
          type: 'button',
          class: 'stack-more',
          text: `${frames.length - shown} more outwards`,
          on: {
            click: () => {
              this.frames(frames, flags, without, Infinity)
              this.element.querySelectorAll('li')[shown]?.scrollIntoView({ block: 'nearest' })
            },
          },
        }),
      )
    for (const flag of flags) this.element.append(el('p', { class: 'stack-flag', text: flag }))
  }
}

function row(f: Frame): HTMLElement {
  return el(
    'li',
    { title: `${visible(f.function)}\n${place(f.file, f.line, true)}` },
    el('bdi', { class: 'stack-function', text: visible(f.function) }),
    ' ',
    el('bdi', { class: 'stack-place', text: place(f.file, f.line) }),
  )
}
