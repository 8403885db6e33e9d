/* Controls above the lanes, and the legend below them. */
import { max, round } from '../../data/math'
import { State } from '../../data/recording'
import type { Store } from '../../state'
import { el } from '../../ui/dom'
import { segmented } from '../../ui/segmented'
import { cssOf, fillRect, MASKS, mix, Pattern, STATE_PATTERN } from './colors'
import type { Palette, Rgb } from './colors'

export interface ToolbarActions { zoom(factor: number): void; all(): void; fit(): void }

export class Toolbar {
  readonly element: HTMLElement
  readonly filter: HTMLInputElement
  private note = el('span.tl-dim', { role: 'status' })
  private sort
  private group: HTMLInputElement
  private idle: HTMLInputElement

  constructor(private store: Store, actions: ToolbarActions) {
    const s = store.get()
    this.filter = el('input', { type: 'search', placeholder: 'name or /regex/', label: 'Show threads whose name contains', title: 'Part of the name or number, or /regular expression/', on: { input: () => store.set({ filter: this.filter.value }) } })
    this.sort = segmented('Order of the threads', [{ value: 'wait', label: 'waits', title: 'Those that waited most first' }, { value: 'name', label: 'name' }, { value: 'process', label: 'start', title: 'In the order in which they appeared' }], s.sort, (sort) => store.set({ sort }))
    const box = (key: 'group' | 'hideIdle', text: string, title: string) => {
      const input = el('input', { type: 'checkbox', on: { change: () => store.set({ [key]: input.checked }) } })
      return { input, label: el('label.tl-check', { title }, input, text) }
    }
    const group = box('group', 'by process', 'A group for each process')
    const idle = box('hideIdle', 'hide idle', 'Leave out threads that never held a lock nor waited for one')
    this.group = group.input
    this.idle = idle.input
    const button = (text: string, label: string, run: () => void) => el('button.plain', { type: 'button', label: label, title: label, on: { click: run } }, text)
    this.element = el('div.tl-bar bar-row', this.filter, el('span.tl-sort', el('span.tl-dim', 'order by'), this.sort.element), group.label, idle.label, this.note, el('span.tl-grow'),
      el('span.tl-zoom', button('−', 'Zoom out (S)', () => actions.zoom(2)), button('+', 'Zoom in (W)', () => actions.zoom(0.5)), button('Fit', 'Fit the focused row or the selection (F)', actions.fit), button('All', 'All: the whole recording (0)', actions.all)))
    this.update(0)
  }

  update(hidden: number): void {
    const s = this.store.get()
    if (this.filter.value !== s.filter) this.filter.value = s.filter
    this.sort.set(s.sort)
    this.group.checked = s.group
    this.idle.checked = s.hideIdle
    this.note.textContent = hidden ? `${hidden} thread${hidden === 1 ? '' : 's'} not shown` : ''
  }
}

const LEGEND: [State, string][] = [
  [State.Gil, 'with the GIL'], [State.NoGil, 'without the GIL'], [State.WaitGil, 'waits for the GIL'], [State.WaitLock, 'waits for another lock'],
  [State.Blocked, 'blocked'], [State.Sleep, 'sleeps'], [State.Runnable, 'wants a CPU'], [State.Unknown, 'not observed'],
]

/* Swatches are small canvases drawn as the lanes are. */
export class Legend {
  readonly element = el('ul.tl-legend', { label: 'Colours and patterns' })
  private swatches: { canvas: HTMLCanvasElement; draw(p: Palette): { base: Rgb; pattern: Pattern; foot?: Rgb; head?: Rgb; tick?: Rgb } }[] = []

  constructor() {
    for (const [state, text] of LEGEND) this.add(text, (p) => ({ base: p.states[state]!, pattern: STATE_PATTERN[state]! }))
    this.add('holds the GIL without running', (p) => ({ base: p.states[State.Blocked]!, pattern: Pattern.Dots, foot: p.held }))
    this.add('garbage collector', (p) => ({ base: p.states[State.Gil]!, pattern: Pattern.Solid, head: p.gc }))
    this.add('forced hand-off', (p) => ({ base: mix(p.lane, p.states[State.NoGil]!, 0.4), pattern: Pattern.Solid, head: p.forced }))
    this.add('known by sum only', (p) => ({ base: mix(p.states[State.Gil]!, p.states[State.Blocked]!, 0.6), pattern: Pattern.Lines }))
    this.add('sample', (p) => ({ base: p.lane, pattern: Pattern.Solid, tick: p.sample }))
  }

  private add(text: string, draw: (p: Palette) => { base: Rgb; pattern: Pattern; foot?: Rgb; head?: Rgb; tick?: Rgb }): void {
    const canvas = el('canvas', { width: 28, height: 14, decor: true })
    this.swatches.push({ canvas, draw })
    this.element.append(el('li', canvas, el('span', text)))
  }

  draw(p: Palette, dpr: number): void {
    for (const { canvas, draw } of this.swatches) {
      const width = round(28 * dpr), height = round(14 * dpr)
      canvas.width = width
      canvas.height = height
      const ctx = canvas.getContext('2d')!
      const look = draw(p)
      fillRect(ctx, cssOf(look.base), 0, 0, width, height)
      ctx.fillStyle = cssOf(mix(look.base, [0, 0, 0], p.dark ? 0.34 : 0.26))
      for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) if ((MASKS[look.pattern]![y & 7]! >> (x & 7)) & 1) ctx.fillRect(x, y, 1, 1)
      const strip = (color: Rgb | undefined, y: number, h: number) => {
        if (!color) return
        fillRect(ctx, cssOf(color), 0, round(y * dpr), width, round(h * dpr))
      }
      strip(look.foot, 9, 5)
      strip(look.head, 0, 3)
      if (look.tick) {
        ctx.fillStyle = cssOf(look.tick)
        for (const x of [5, 14, 23]) ctx.fillRect(round(x * dpr), round(10 * dpr), max(1, round(dpr)), round(4 * dpr))
      }
    }
  }
}
