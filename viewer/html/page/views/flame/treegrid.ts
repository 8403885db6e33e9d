/* The same tree as rows: function, place, self, total, share.  Only rows in sight exist; one of them takes the focus. */
import { ceil, floor, max, min } from '../../data/math'
import { clear, el, on, style, take } from '../../ui/dom'
import { amount, isDiff, changeWord, nameOf, placeOf, selfAmount, share, type Graph } from './graph'

const ROW = 24
const SPARE = 8
const FIRST_ROWS = 400 /* that opening the widest way may make */

export interface GridEvents {
  current(part: number, box: number): void
  zoom(part: number, box: number): void
  menu(part: number, box: number, x: number, y: number): void
}
interface Row { part: number; box: number }

export class TreeGrid {
  readonly element: HTMLElement
  private readonly scroller: HTMLElement
  private readonly body: HTMLElement
  private readonly head: HTMLElement
  private parts: Graph[] = []
  private tops: number[] = []
  private open: Set<number>[] = []
  private rows: Row[] = []
  private at = 0

  constructor(private readonly events: GridEvents) {
    this.head = el('div.tree-head', { role: 'rowgroup' })
    this.body = el('div.tree-body', { role: 'rowgroup' })
    this.scroller = el('div.tree', { role: 'treegrid', label: 'The flame graph as a table' }, this.head, this.body)
    this.element = this.scroller
    on(this.scroller, 'scroll', () => this.draw(), { passive: true })
    on(this.body, 'click', (e) => this.onClick(e))
    on(this.body, 'dblclick', (e) => this.onRow(e, ({ part, box }) => this.events.zoom(part, box)))
    on(this.body, 'contextmenu', (e) => this.onRow(e, ({ part, box }) => (e.preventDefault(), this.events.menu(part, box, e.clientX, e.clientY))))
    on(this.body, 'keydown', (e) => this.onKey(e))
  }

  /* One graph, or the two of a sandwich; each from its top box. */
  show(parts: Graph[], tops: number[]): void {
    const same = parts.length === this.parts.length && parts.every((p, i) => p === this.parts[i])
    this.parts = parts
    if (!same || tops.some((t, i) => t !== this.tops[i])) {
      this.open = parts.map((g, i) => widestWay(g, tops[i]!))
      this.at = 0
      this.scroller.scrollTop = 0
    }
    this.tops = tops
    this.drawHead()
    this.flatten()
  }

  redraw(): void {
    this.draw()
  }

  /* Opens the way to a box and marks it; does not take the focus. */
  reveal(part: number, box: number): void {
    const { tree } = this.parts[part]!
    for (let b = tree.parent[box]!; b >= 0; b = tree.parent[b]!) this.open[part]!.add(b)
    this.flatten()
    const at = this.rows.findIndex((r) => r.part === part && r.box === box)
    if (at < 0) return
    this.at = at
    this.scrollTo(at)
    this.draw()
  }

  private drawHead(): void {
    const diff = this.parts.some(isDiff), inverted = this.parts.every((g) => g.callers || g.tree.inverted)
    const column = (text: string, c: string) => el('div', { role: 'columnheader', class: c }, text)
    clear(this.head)
    this.head.append(el('div.tree-row', { role: 'row' }, column(inverted ? 'Function, below it its callers' : 'Function', 'c-name'), column('Place', 'c-place'),
      column(diff ? 'Self, per second' : 'Self', 'c-num'), column(diff ? 'Total, per second' : 'Total', 'c-num c-total'), column(diff ? 'Change' : 'Share', 'c-share')))
  }

  private flatten(): void {
    this.rows = []
    this.parts.forEach((g, part) => {
      const waiting = [this.tops[part]!]
      while (waiting.length) {
        const box = waiting.pop()!
        this.rows.push({ part, box })
        if (!this.open[part]!.has(box)) continue
        for (let i = g.tree.from[box + 1]! - 1; i >= g.tree.from[box]!; i--) waiting.push(g.tree.order[i]!)
      }
    })
    this.at = min(this.at, max(0, this.rows.length - 1))
    this.scroller.setAttribute('aria-rowcount', String(this.rows.length + 1))
    style(this.body, 'height', `${this.rows.length * ROW}px`)
    this.draw()
  }

  private draw(): void {
    const from = max(0, floor(this.scroller.scrollTop / ROW) - SPARE)
    const to = min(this.rows.length, from + ceil(this.scroller.clientHeight / ROW) + 2 * SPARE)
    const focused = this.body.contains(document.activeElement)
    const shown: HTMLElement[] = []
    for (let i = from; i < to; i++) shown.push(this.row(i))
    if (this.at < from || this.at >= to) if (this.rows[this.at]) shown.push(this.row(this.at))
    this.body.replaceChildren(...shown)
    if (focused) (this.body.querySelector('[tabindex="0"]') as HTMLElement | null)?.focus({ preventScroll: true })
  }

  private row(i: number): HTMLElement {
    const { part, box } = this.rows[i]!, g = this.parts[part]!, { tree } = g
    const children = tree.from[box + 1]! - tree.from[box]!, isOpen = this.open[part]!.has(box)
    const level = tree.depth[box]! - tree.depth[this.tops[part]!]!
    const parent = box === this.tops[part] ? -1 : tree.parent[box]!
    const cell = (c: string, ...inside: (Node | string)[]) => el('div', { role: 'gridcell', class: c }, ...inside)
    const bar = el('span.tree-bar')
    style(bar, 'width', `${(100 * tree.width[box]!) / (tree.width[0]! || 1)}%`)
    const name = cell('c-name', el('span', { class: `twisty${children ? (isOpen ? ' open' : ' closed') : ''}`, decor: true }),
      this.parts.length > 1 && parent < 0 ? el('span.quiet', g.callers ? 'callers of ' : 'callees of ') : '', el('bdi', nameOf(g, box)))
    style(name, '--level', String(min(level, 40)))
    const noSelf = (g.tree.inverted && level > 1) || (g.callers && level > 0)
    const row = el('div', {
      role: 'row', class: `tree-row${i === this.at ? ' at' : ''}`, tabindex: i === this.at ? 0 : -1, 'data-i': i, 'aria-rowindex': i + 2, 'aria-level': level + 1,
      'aria-expanded': children ? String(isOpen) : undefined, 'aria-selected': String(i === this.at),
      'aria-setsize': parent < 0 ? this.parts.length : tree.from[parent + 1]! - tree.from[parent]!,
      'aria-posinset': parent < 0 ? part + 1 : tree.order.indexOf(box, tree.from[parent]!) - tree.from[parent]! + 1,
    }, name, cell('c-place', el('bdi', { title: placeOf(g, box, true) }, placeOf(g, box))), cell('c-num', noSelf || !tree.self[box] ? '' : selfAmount(g, box)),
    cell('c-num c-total', amount(g, box)), cell('c-share', el('span.tree-gauge', { decor: true }, bar), el('span', isDiff(g) ? changeWord(g, box) : share(g, box, 0))))
    style(row, 'top', `${i * ROW}px`)
    return row
  }

  private onRow(e: Event, run: (row: Row, i: number) => void): void {
    const row = (e.target as Element).closest('[data-i]') as HTMLElement | null
    if (row) run(this.rows[Number(row.dataset.i)]!, Number(row.dataset.i))
  }

  private onClick(e: Event): void {
    this.onRow(e, ({ part, box }, i) => {
      this.moveTo(i)
      if ((e.target as Element).classList.contains('twisty')) this.toggle(part, box)
    })
  }

  private toggle(part: number, box: number, open = !this.open[part]!.has(box)): void {
    if (open) this.open[part]!.add(box)
    else this.open[part]!.delete(box)
    this.flatten()
  }

  private scrollTo(i: number): void {
    const top = i * ROW, room = this.scroller.clientHeight - this.head.offsetHeight
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top
    else if (top + ROW > this.scroller.scrollTop + room) this.scroller.scrollTop = top + ROW - room
  }

  private moveTo(i: number): void {
    this.at = max(0, min(this.rows.length - 1, i))
    this.scrollTo(this.at)
    this.draw()
    ;(this.body.querySelector('[tabindex="0"]') as HTMLElement | null)?.focus({ preventScroll: true })
    const row = this.rows[this.at]
    if (row) this.events.current(row.part, row.box)
  }

  private onKey(e: KeyboardEvent): void {
    const row = this.rows[this.at]
    if (!row || e.ctrlKey || e.altKey || e.metaKey) return
    const { part, box } = row, { tree } = this.parts[part]!, isOpen = this.open[part]!.has(box)
    const page = max(1, floor(this.scroller.clientHeight / ROW) - 2)
    const run: { [key: string]: () => void } = {
      ArrowDown: () => this.moveTo(this.at + 1),
      ArrowUp: () => this.moveTo(this.at - 1),
      PageDown: () => this.moveTo(this.at + page),
      PageUp: () => this.moveTo(this.at - page),
      Home: () => this.moveTo(0),
      End: () => this.moveTo(this.rows.length - 1),
      ArrowRight: () => (isOpen ? this.moveTo(this.at + 1) : this.toggle(part, box, true)),
      ArrowLeft: () => {
        if (isOpen && tree.from[box + 1]! > tree.from[box]!) this.toggle(part, box, false)
        else if (box !== this.tops[part]) this.moveTo(this.rows.findIndex((r) => r.part === part && r.box === tree.parent[box]))
      },
      Enter: () => this.events.zoom(part, box),
      ContextMenu: () => this.menuHere(row),
    }
    const name = e.key === 'F10' && e.shiftKey ? 'ContextMenu' : e.key
    if (!run[name] || (e.shiftKey && e.key !== 'F10')) return
    take(e)
    run[name]!()
  }

  private menuHere({ part, box }: Row): void {
    const rect = this.body.querySelector('[tabindex="0"]')!.getBoundingClientRect()
    this.events.menu(part, box, rect.left + 40, rect.bottom)
  }
}

/* The rows that are open at first: down the widest boxes, as long as each has most of its parent. */
function widestWay(g: Graph, top: number): Set<number> {
  const open = new Set<number>(), { tree } = g
  for (let box = top, rows = 0; ; ) {
    const children = tree.from[box + 1]! - tree.from[box]!
    if (!children || (rows += children) > FIRST_ROWS) return open
    open.add(box)
    const widest = tree.order.subarray(tree.from[box]!, tree.from[box + 1]!).reduce((a, b) => (tree.width[b]! > tree.width[a]! ? b : a))
    if (tree.width[widest]! < tree.width[box]! * 0.5) return open
    box = widest
  }
}
