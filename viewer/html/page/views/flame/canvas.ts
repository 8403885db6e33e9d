/* Draws a flame graph: boxes as rows, root on top (callers: root at the bottom).  Only rows in sight are drawn; boxes
 * narrower than half a pixel become one block.  Knows pixels and the pointer, not the page. */
import { abs, ceil, floor, max, min, round } from '../../data/math'
import { el, on, style } from '../../ui/dom'
import { isDark, nameColor } from '../../ui/theme'
import { change, changeWord, isDiff, kindOf, nameOf, placeOf, type Graph } from './graph'

export const ROW = 19
const MIN_WIDTH = 0.5
const TEXT_MIN = 22
const NAME_SHOWN = 300
const UNCHANGED = 0.01 /* of change(): less is grey */

export interface Look { hover: number; current: number; isMatch: Uint8Array | null }
export interface Events {
  hover(box: number, x: number, y: number): void
  zoom(box: number): void
  menu(box: number, x: number, y: number): void
}

interface Label { name: string; nameWidth: number; place: string; placeWidth: number }
interface Ink { text: string; dim: string; bg: string; line: string; accent: string; crumb: string; forced: boolean }

export class FlameCanvas {
  readonly element: HTMLElement
  readonly look: Look = { hover: -1, current: -1, isMatch: null }
  private readonly canvas: HTMLCanvasElement
  private readonly spacer = el('div')
  private graph: Graph | null = null
  private top = 0
  private width = 0
  private height = 0
  private asked = 0
  private labels = new Map<number, Label>()
  private colors = new Map<number, string>()
  private ink!: Ink
  private filled = ''
  private ctx: CanvasRenderingContext2D

  constructor(label: string, private readonly events: Events) {
    this.canvas = el('canvas', { role: 'img', label: label })
    this.ctx = this.canvas.getContext('2d')!
    this.element = el('div.flame-stage', { tabindex: 0, role: 'group', label: `${label}: arrows move, Enter zooms; the table below says the same` }, this.canvas, this.spacer)
    on(this.element, 'scroll', () => this.draw(), { passive: true })
    new ResizeObserver(() => this.resized()).observe(this.element)
    on(this.canvas, 'pointermove', (e) => this.pointer(e))
    on(this.canvas, 'pointerleave', () => this.events.hover(-1, 0, 0))
    on(this.canvas, 'click', (e) => this.hit(e, (box) => this.events.zoom(box)))
    on(this.canvas, 'contextmenu', (e) => this.hit(e, (box) => (e.preventDefault(), this.events.menu(box, e.clientX, e.clientY))))
  }

  show(graph: Graph, top: number): void {
    if (graph !== this.graph) {
      this.labels.clear()
      this.colors.clear()
    }
    const moved = graph !== this.graph || top !== this.top
    this.graph = graph
    this.top = top
    this.resize()
    if (moved) this.element.scrollTop = graph.callers ? this.element.scrollHeight : max(0, (graph.tree.depth[top]! - 2) * ROW)
    this.draw()
  }

  describe(text: string): void {
    this.canvas.setAttribute('aria-label', text)
  }

  private resized(): void {
    if (!this.graph || (this.element.clientWidth === this.width && this.element.clientHeight === this.height)) return
    const atEnd = this.graph.callers && this.element.scrollTop + this.height >= this.element.scrollHeight - ROW
    this.resize()
    if (atEnd) this.element.scrollTop = this.element.scrollHeight
    this.draw()
  }

  /* The theme changed, or the fonts. */
  redraw(): void {
    this.labels.clear()
    this.colors.clear()
    if (!this.graph) return
    this.resize()
    this.draw()
  }

  /* At the next frame. */
  drawSoon(): void {
    if (!this.asked) this.asked = requestAnimationFrame(() => this.draw())
  }

  private resize(): void {
    const rows = this.graph!.tree.depthMax + 1
    this.width = this.element.clientWidth
    this.height = this.element.clientHeight
    style(this.spacer, 'height', `${max(0, rows * ROW + 4 - this.height)}px`)
    this.width = this.element.clientWidth
    const ratio = devicePixelRatio || 1
    const [w, h] = [round(this.width * ratio), round(this.height * ratio)]
    if (this.canvas.width !== w) this.canvas.width = w
    if (this.canvas.height !== h) this.canvas.height = h
    style(this.canvas, 'width', `${this.width}px`)
    style(this.canvas, 'height', `${this.height}px`)
  }

  private readInk(): void {
    const style = getComputedStyle(this.element), dark = isDark(), forced = matchMedia('(forced-colors: active)').matches
    const at = (name: string, other: string) => style.getPropertyValue(name).trim() || other
    this.ink = {
      text: forced ? 'CanvasText' : dark ? '#f1f2f4' : '#17191c', dim: forced ? 'CanvasText' : dark ? 'rgba(241,242,244,.66)' : 'rgba(23,25,28,.62)',
      bg: forced ? 'Canvas' : at('--bg', dark ? '#16181b' : '#fff'), line: forced ? 'CanvasText' : at('--strong', '#9aa0a8'),
      accent: forced ? 'Highlight' : at('--accent', '#0b57d0'), crumb: forced ? 'GrayText' : dark ? '#4a4f57' : '#cfd3d9', forced,
    }
    this.ctx.font = `12px ${style.fontFamily}`
    this.ctx.textBaseline = 'middle'
    this.ctx.direction = 'ltr'
  }

  /* Pixels */

  private left(box: number): number {
    const { x, width } = this.graph!.tree
    return ((x[box]! - x[this.top]!) / width[this.top]!) * this.width
  }

  private scale(): number {
    return this.width / this.graph!.tree.width[this.top]!
  }

  private rowTop(depth: number): number {
    return this.graph!.callers ? max(this.height, (this.graph!.tree.depthMax + 1) * ROW + 4) - (depth + 1) * ROW - this.element.scrollTop : depth * ROW - this.element.scrollTop
  }

  isDrawn(box: number): boolean {
    const { tree } = this.graph!
    if (tree.depth[box]! < tree.depth[this.top]!) return true
    return tree.width[box]! * this.scale() >= MIN_WIDTH
  }

  reveal(box: number): void {
    const y = this.rowTop(this.graph!.tree.depth[box]!)
    if (y < 0) this.element.scrollTop += y - ROW
    else if (y + ROW > this.height) this.element.scrollTop += y + 2 * ROW - this.height
  }

  /* Where a box is, within the window. */
  place(box: number): { x: number; y: number } {
    const rect = this.element.getBoundingClientRect()
    const above = this.graph!.tree.depth[box]! < this.graph!.tree.depth[this.top]!
    return { x: rect.left + max(0, above ? 0 : this.left(box)) + 12, y: rect.top + this.rowTop(this.graph!.tree.depth[box]!) + ROW }
  }

  private pointer(e: PointerEvent): void {
    this.events.hover(this.at(e.offsetX, e.offsetY), e.clientX, e.clientY)
  }

  private hit(e: MouseEvent, run: (box: number) => void): void {
    const box = this.at(e.offsetX, e.offsetY)
    if (box >= 0) run(box)
  }

  private at(px: number, py: number): number {
    const g = this.graph
    if (!g || !(g.tree.width[this.top]! > 0)) return -1
    const { tree } = g
    const row = g.callers ? floor((this.rowTop(-1) - py) / ROW) : floor((py + this.element.scrollTop) / ROW)
    let box = this.top
    if (row < 0) return -1
    if (row < tree.depth[box]!) {
      while (tree.depth[box]! > row) box = tree.parent[box]!
      return box
    }
    const x = tree.x[box]! + (px / this.width) * tree.width[box]!
    for (let depth = tree.depth[box]!; depth < row; depth++) {
      let next = -1
      for (let i = tree.from[box]!; i < tree.from[box + 1]! && next < 0; i++) {
        const child = tree.order[i]!
        if (x < tree.x[child]! + tree.width[child]!) next = child
      }
      if (next < 0) return -1
      box = next
    }
    return box
  }

  /* Drawing */

  private draw(): void {
    cancelAnimationFrame(this.asked)
    this.asked = 0
    const g = this.graph
    if (!g || !this.width || !this.height) return
    const ratio = this.canvas.width / this.width
    this.ctx.setTransform(ratio, 0, 0, ratio, 0, 0)
    this.readInk()
    this.filled = ''
    this.fill(this.ink.bg)
    this.ctx.fillRect(0, 0, this.width, this.height)
    if (!(g.tree.width[this.top]! > 0)) return
    for (let box = g.tree.parent[this.top]!; box >= 0; box = g.tree.parent[box]!) this.box(box, 0, this.width, true)
    this.boxesUnder(this.top)
    this.frame(this.look.hover, 1, this.ink.text)
    this.frame(this.look.current, 2, this.ink.accent)
  }

  private boxesUnder(top: number): void {
    const { tree, callers } = this.graph!, k = this.scale(), x0 = tree.x[top]!
    const waiting = [top]
    while (waiting.length) {
      const box = waiting.pop()!
      const y = this.rowTop(tree.depth[box]!)
      this.box(box, (tree.x[box]! - x0) * k, tree.width[box]! * k, false)
      if (callers ? y <= 0 : y + ROW >= this.height) continue
      let from = -1, to = 0
      for (let i = tree.from[box]!; i < tree.from[box + 1]!; i++) {
        const child = tree.order[i]!, left = (tree.x[child]! - x0) * k, w = tree.width[child]! * k
        if (w >= MIN_WIDTH) {
          waiting.push(child)
          continue
        }
        if (from >= 0 && left - to > MIN_WIDTH) from = this.crumbs(from, to, tree.depth[child]!)
        if (from < 0) from = left
        to = left + w
      }
      if (from >= 0) this.crumbs(from, to, tree.depth[box]! + 1)
    }
  }

  /* Boxes too narrow to be drawn. */
  private crumbs(from: number, to: number, depth: number): number {
    const y = this.rowTop(depth)
    if (y > -ROW && y < this.height) {
      this.fill(this.ink.crumb)
      this.ctx.fillRect(from, y, max(MIN_WIDTH, to - from), ROW - 1)
    }
    return -1
  }

  private box(box: number, x: number, w: number, above: boolean): void {
    const { ctx, ink } = this, g = this.graph!, y = this.rowTop(g.tree.depth[box]!)
    if (y <= -ROW || y >= this.height) return
    const matches = this.look.isMatch, faded = above || (matches !== null && !matches[box])
    const inner = w > 3 ? w - 1 : w
    ctx.globalAlpha = faded && !ink.forced ? 0.42 : 1
    if (ink.forced) {
      ctx.strokeStyle = matches?.[box] ? ink.accent : ink.text
      if (inner > 2) ctx.strokeRect(x + 0.5, y + 0.5, inner - 1, ROW - 2)
      else ctx.fillRect(x, y, inner, ROW - 1)
    } else {
      this.fill(this.color(box))
      ctx.fillRect(x, y, inner, ROW - 1)
      if (w > 5) this.pattern(box, x, y, inner)
    }
    ctx.globalAlpha = 1
    if (matches?.[box]) {
      this.fill(ink.accent)
      ctx.fillRect(x, y + ROW - 4, inner, 3)
    }
    if (w >= TEXT_MIN) this.text(box, x + 4, y + (ROW - 1) / 2, inner - 8, faded)
  }

  /* Setting a colour costs more than a small box. */
  private fill(color: string): void {
    if (color === this.filled) return
    this.ctx.fillStyle = this.filled = color
  }

  private text(box: number, x: number, y: number, room: number, faded: boolean): void {
    const { ctx, ink } = this, label = this.label(box)
    this.fill(faded ? ink.dim : ink.text)
    if (label.nameWidth > room) {
      ctx.fillText(this.cut(label, room), x, y)
      return
    }
    ctx.fillText(label.name, x, y)
    const left = room - label.nameWidth - 8
    if (!label.place || left < label.placeWidth) return
    this.fill(ink.dim)
    ctx.fillText(label.place, x + label.nameWidth + 8, y)
  }

  private cut(label: Label, room: number): string {
    let n = floor((label.name.length * room) / label.nameWidth)
    for (; n > 0; n--) {
      const end = label.name.charCodeAt(n - 1)
      if (end >= 0xd800 && end < 0xdc00) continue
      const text = `${label.name.slice(0, n)}…`
      if (this.ctx.measureText(text).width <= room) return text
    }
    return ''
  }

  private label(box: number): Label {
    const g = this.graph!, symbol = g.tree.symbol[box]!, known = this.labels.get(symbol)
    if (known && !isDiff(g)) return known
    const word = isDiff(g) ? changeWord(g, box) : ''
    const name = (word === 'new' || word === 'gone' ? `${word}: ` : '') + nameOf(g, box).slice(0, NAME_SHOWN)
    const place = placeOf(g, box)
    const label = { name, nameWidth: this.ctx.measureText(name).width, place, placeWidth: this.ctx.measureText(place).width }
    this.labels.set(symbol, label)
    return label
  }

  private color(box: number): string {
    const g = this.graph!
    if (isDiff(g)) return diffColor(change(g, box), isDark())
    const symbol = g.tree.symbol[box]!
    const known = this.colors.get(symbol)
    if (known) return known
    this.ctx.fillStyle = this.plainColor(box)
    this.filled = this.ctx.fillStyle /* as #rrggbb: the quickest to set */
    this.colors.set(symbol, this.filled)
    return this.filled
  }

  private plainColor(box: number): string {
    const g = this.graph!, dark = isDark(), kind = kindOf(g, box)
    if (kind === 'frame') return nameColor(g.symbols.file(g.tree.symbol[box]!), dark)
    if (kind === 'preempted') return dark ? '#7a5a12' : '#f3cf85'
    if (kind === 'blocked' || kind === 'lock') return dark ? '#50555d' : '#c3c8cf'
    return dark ? '#30343a' : '#e6e8ec'
  }

  /* Never colour alone: dots where nothing runs, lines where there is no CPU. */
  private pattern(box: number, x: number, y: number, w: number): void {
    const kind = kindOf(this.graph!, box)
    if (kind !== 'blocked' && kind !== 'preempted' && kind !== 'lock') return
    const { ctx } = this
    ctx.save()
    ctx.beginPath()
    ctx.rect(x, y, w, ROW - 1)
    ctx.clip()
    ctx.fillStyle = ctx.strokeStyle = isDark() ? 'rgba(255,255,255,.16)' : 'rgba(0,0,0,.14)'
    ctx.beginPath()
    if (kind === 'preempted') {
      for (let at = x - ROW; at < x + w; at += 7) {
        ctx.moveTo(at, y + ROW)
        ctx.lineTo(at + ROW, y)
      }
      ctx.stroke()
    } else {
      for (let at = ceil(x / 6) * 6; at < x + w; at += 6) ctx.rect(at, y + 2, 1.5, 1.5), ctx.rect(at + 3, y + ROW - 5, 1.5, 1.5)
      ctx.fill()
    }
    ctx.restore()
    this.filled = ''
  }

  private frame(box: number, width: number, color: string): void {
    const g = this.graph!
    if (box < 0 || box >= g.tree.n) return
    const above = g.tree.depth[box]! < g.tree.depth[this.top]!
    const x = above ? 0 : this.left(box), w = above ? this.width : g.tree.width[box]! * this.scale()
    if (x > this.width || x + w < 0 || !this.isUnderTop(box)) return
    this.ctx.strokeStyle = color
    this.ctx.lineWidth = width
    this.ctx.strokeRect(x + width / 2, this.rowTop(g.tree.depth[box]!) + width / 2, max(1, w - 1 - width), ROW - 1 - width)
  }

  private isUnderTop(box: number): boolean {
    const { tree } = this.graph!
    let a = box, b = this.top
    while (tree.depth[a]! > tree.depth[b]!) a = tree.parent[a]!
    while (tree.depth[b]! > tree.depth[a]!) b = tree.parent[b]!
    return a === b
  }
}

/* Blue: less than in the baseline; orange: more; grey: the same. */
export function diffColor(by: number, dark: boolean): string {
  if (abs(by) < UNCHANGED) return dark ? '#3a3e45' : '#dfe2e6'
  const strength = 0.12 + 0.88 * min(1, abs(by))
  const [none, full] = dark ? [[58, 62, 69], by > 0 ? [178, 84, 12] : [28, 100, 176]] : [[232, 234, 237], by > 0 ? [240, 140, 60] : [110, 170, 232]]
  return `rgb(${none!.map((n, i) => round(n + (full![i]! - n) * strength)).join(' ')})`
}
