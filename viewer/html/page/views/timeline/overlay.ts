/* What lies over the lanes and changes with every move of the mouse: selections, the focused row, a wait's hand-off. */
import { cssOf, fillRect, fillText } from './colors'
import { abs, max, min, round } from '../../data/math'
import { NONE } from '../../data/recording'
import type { Range, Recording } from '../../data/recording'
import type { Focus } from '../../state'
import { duration, moment } from '../../ui/format'
import type { Palette } from './colors'
import { AXIS_HEIGHT } from './frame'
import type { Geometry } from './frame'
import { laneOfLock, laneOfThread } from './lanes'
import type { Layout } from './lanes'
import { handoffOf, rangeOf, threadOf } from './navigate'

export interface OverlayState { selection: Range | null; baseline: Range | null; focus: Focus | null; hoverX: number | null; lane: number }
interface Point { x: number; y: number }

export class OverlayPainter {
  constructor(private rec: Recording) {}

  draw(ctx: CanvasRenderingContext2D, g: Geometry, layout: Layout, p: Palette, s: OverlayState): void {
    ctx.setTransform(g.dpr, 0, 0, g.dpr, 0, 0)
    ctx.clearRect(0, 0, g.width, g.height)
    if (s.baseline) area(ctx, g, s.baseline, p.baseline, `baseline ${duration(s.baseline.t1 - s.baseline.t0)}`, p, true)
    if (s.selection) area(ctx, g, s.selection, p.accent, duration(s.selection.t1 - s.selection.t0), p, false)
    if (s.hoverX !== null) this.cursor(ctx, g, p, s.hoverX)
    if (!s.focus) return
    ctx.save()
    ctx.beginPath()
    ctx.rect(0, AXIS_HEIGHT, g.width, g.height - AXIS_HEIGHT)
    ctx.clip()
    this.focus(ctx, g, layout, p, s.focus)
    if (s.focus.table === 'wait') this.handoff(ctx, g, layout, p, s.focus.row)
    ctx.restore()
  }

  private cursor(ctx: CanvasRenderingContext2D, g: Geometry, p: Palette, x: number): void {
    ctx.fillStyle = p.dim
    ctx.globalAlpha = 0.55
    ctx.fillRect(round(x), AXIS_HEIGHT - 6, 1, g.height)
    ctx.globalAlpha = 1
    ctx.font = '11px system-ui, sans-serif'
    ctx.textBaseline = 'middle'
    const text = moment(g.from + (x / g.width) * (g.to - g.from), (g.to - g.from) / g.width * 4)
    const wide = ctx.measureText(text).width + 8
    const left = max(0, min(g.width - wide, x - wide / 2))
    fillRect(ctx, p.text, left, 3, wide, 16)
    fillText(ctx, cssOf(p.background), text, left + 4, 11.5)
  }

  private y(g: Geometry, layout: Layout, lane: number, at: number): number {
    return AXIS_HEIGHT - g.scroll + layout.top[lane]! + (layout.top[lane + 1]! - layout.top[lane]!) * at
  }

  private box(ctx: CanvasRenderingContext2D, g: Geometry, layout: Layout, p: Palette, lane: number, range: Range): void {
    if (lane < 0) return
    const x0 = xOf(g, range.t0), x1 = xOf(g, range.t1)
    const left = max(-4, x0 - 1), right = min(g.width + 4, max(x1 + 1, x0 + 2))
    const top = this.y(g, layout, lane, 0) + 1, height = layout.top[lane + 1]! - layout.top[lane]! - 2
    if (right < -2 || left > g.width + 2) return
    ctx.lineWidth = 4
    ctx.strokeStyle = cssOf(p.background)
    ctx.strokeRect(left, top, right - left, height)
    ctx.lineWidth = 2
    ctx.strokeStyle = p.text
    ctx.strokeRect(left, top, right - left, height)
  }

  private focus(ctx: CanvasRenderingContext2D, g: Geometry, layout: Layout, p: Palette, f: Focus): void {
    const range = rangeOf(this.rec, f)
    const thread = threadOf(this.rec, f)
    if (thread !== NONE) this.box(ctx, g, layout, p, laneOfThread(layout, thread), range)
    if (f.table === 'hold') this.box(ctx, g, layout, p, laneOfLock(layout, this.rec.holds.lock[f.row]!), range)
  }

  /* From where the lock was released to where it was acquired, and from who woke the waiter. */
  private handoff(ctx: CanvasRenderingContext2D, g: Geometry, layout: Layout, p: Palette, wait: number): void {
    const { rec } = this
    const { waits, handoffs } = rec
    const to = laneOfThread(layout, waits.thread[wait]!)
    if (to < 0) return
    const end = waits.t1[wait]!
    const row = handoffOf(rec, wait)
    const waker = waits.waker[wait]!
    const woken = end - waits.wakeLatency[wait]!
    if (row >= 0) {
      const from = this.laneOf(layout, handoffs.from[row]!, waits.lock[wait]!)
      const release = Number.isNaN(handoffs.release[row]!) ? handoffs.acquire[row]! : handoffs.release[row]!
      if (from >= 0) {
        const text = `${handoffs.forced[row] ? 'forced' : 'voluntary'} hand-off, ${duration(handoffs.acquire[row]! - release)}`
        arrow(ctx, p, this.point(g, layout, from, to, release), this.point(g, layout, to, from, handoffs.acquire[row]!), false, text, g.width)
      }
    }
    const by = waker === NONE ? -1 : laneOfThread(layout, waker)
    /* who lets go mostly wakes the waiter as well: one arrow says it then */
    const same = row >= 0 && handoffs.from[row] === waker && abs(xOf(g, woken) - xOf(g, handoffs.release[row]!)) < 8
    if (by >= 0 && !same && waits.wakeLatency[wait]! > 0) arrow(ctx, p, this.point(g, layout, by, to, woken), this.point(g, layout, to, by, woken), true, row >= 0 ? '' : 'woken', g.width)
  }

  private laneOf(layout: Layout, thread: number, lock: number): number {
    const lane = thread === NONE ? -1 : laneOfThread(layout, thread)
    return lane >= 0 ? lane : laneOfLock(layout, lock)
  }

  /* On the side of the lane that looks at the other one. */
  private point(g: Geometry, layout: Layout, lane: number, other: number, t: number): Point {
    return { x: xOf(g, t), y: this.y(g, layout, lane, lane < other ? 0.8 : 0.15) }
  }

}

function xOf(g: Geometry, t: number): number {
  return ((t - g.from) / (g.to - g.from)) * g.width
}

function area(ctx: CanvasRenderingContext2D, g: Geometry, range: Range, color: string, text: string, p: Palette, dashed: boolean): void {
  const x0 = max(-2, xOf(g, range.t0)), x1 = min(g.width + 2, xOf(g, range.t1))
  if (x1 < -1 || x0 > g.width + 1) return
  ctx.fillStyle = color
  ctx.globalAlpha = p.dark ? 0.16 : 0.11
  ctx.fillRect(x0, AXIS_HEIGHT, x1 - x0, g.height)
  ctx.globalAlpha = 0.3
  ctx.fillRect(x0, 0, x1 - x0, AXIS_HEIGHT - 1)
  ctx.globalAlpha = 1
  ctx.strokeStyle = color
  ctx.lineWidth = 1
  ctx.setLineDash(dashed ? [4, 3] : [])
  for (const x of [x0, x1]) {
    ctx.beginPath()
    ctx.moveTo(round(x) + 0.5, 0)
    ctx.lineTo(round(x) + 0.5, g.height)
    ctx.stroke()
  }
  ctx.setLineDash([])
  ctx.font = '11px system-ui, sans-serif'
  ctx.textBaseline = 'middle'
  const wide = ctx.measureText(text).width + 8
  const middle = (max(0, x0) + min(g.width, x1)) / 2
  const left = max(0, min(g.width - wide, middle - wide / 2))
  fillRect(ctx, color, left, dashed ? 0 : 4, wide, 15)
  fillText(ctx, p.dark ? '#10141a' : '#fff', text, left + 4, dashed ? 8 : 12)
}

/* A line with a head, readable over anything. */
function arrow(ctx: CanvasRenderingContext2D, p: Palette, from: Point, to: Point, dashed: boolean, text: string, width: number): void {
  const bend = max(18, min(60, abs(to.x - from.x) / 2))
  const down = to.y >= from.y ? 1 : -1
  const path = () => {
    ctx.beginPath()
    ctx.moveTo(from.x, from.y)
    if (abs(to.x - from.x) < 3) ctx.lineTo(to.x, to.y - down * 5)
    else ctx.bezierCurveTo(from.x, from.y + down * bend, to.x, to.y - down * bend, to.x, to.y - down * 5)
  }
  const back = cssOf(p.background)
  for (const [color, wide] of [[back, 5], [p.text, dashed ? 1.5 : 2]] as const) {
    ctx.strokeStyle = color
    ctx.lineWidth = wide
    ctx.setLineDash(dashed && color !== back ? [5, 4] : [])
    path()
    ctx.stroke()
  }
  ctx.setLineDash([])
  ctx.beginPath()
  ctx.moveTo(to.x, to.y)
  ctx.lineTo(to.x - 5, to.y - down * 9)
  ctx.lineTo(to.x + 5, to.y - down * 9)
  ctx.closePath()
  ctx.fillStyle = p.text
  ctx.strokeStyle = back
  ctx.lineWidth = 1.5
  ctx.stroke()
  ctx.fill()
  if (text) note(ctx, p, text, (from.x + to.x) / 2 + 8, (from.y + to.y) / 2, width)
}

function note(ctx: CanvasRenderingContext2D, p: Palette, text: string, x: number, y: number, width: number): void {
  ctx.font = '11px system-ui, sans-serif'
  ctx.textBaseline = 'middle'
  const wide = ctx.measureText(text).width + 8
  const left = max(2, min(width - wide - 2, x))
  fillRect(ctx, p.text, left, y - 8, wide, 16)
  fillText(ctx, cssOf(p.background), text, left + 4, y)
}
