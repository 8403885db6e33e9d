/* Mouse, pen and touch on the lanes: what each gesture means.  A finger moves the time (lanes scroll by themselves), two zoom it: what
 * was under each stays under it.  An area is selected by finger on the range bar above. */
import { on } from '../../ui/dom'
import { abs, max, min } from '../../data/math'
import type { Range } from '../../data/recording'

export interface Surface {
  readonly element: HTMLElement
  /* the moment at x, in CSS pixels from the left edge */
  timeAt(x: number): number
  spanNs(): number
  width(): number
  visible(): Range
  selection(): Range | null
  setSelection(r: Range | null): void
  setBaseline(r: Range | null): void
  pan(ns: number): void
  show(visible: Range): void
  zoom(factor: number, at: number): void
  click(x: number, y: number): void
  open(x: number, y: number): void
  hover(x: number, y: number): void
  leave(): void
  dragging(on: boolean): void
}

const CLICK_PX = 4
const EDGE_PX = 5

type Drag = { kind: 'select' | 'baseline' | 'pan'; x: number; y: number; at: number; visible: Range; moved: boolean; id: number }

export function ordered(a: number, b: number): Range {
  return a < b ? { t0: a, t1: b } : { t0: b, t1: a }
}

export function listenTo(s: Surface): void {
  let drag: Drag | null = null
  const point = (e: MouseEvent) => {
    const box = s.element.getBoundingClientRect()
    return { x: e.clientX - box.left, y: e.clientY - box.top }
  }
  /* The fixed end when an edge of the selection is grabbed. */
  const grabbed = (x: number): number | null => {
    const r = s.selection(), v = s.visible()
    if (!r) return null
    const xOf = (t: number) => ((t - v.t0) / s.spanNs()) * s.width()
    if (abs(x - xOf(r.t0)) <= EDGE_PX) return r.t1
    return abs(x - xOf(r.t1)) <= EDGE_PX ? r.t0 : null
  }
  const clampedTime = (x: number) => s.timeAt(max(0, min(s.width(), x)))
  const fingers = new Map<number, { x: number; at: number /* the moment it was put on */ }>()
  const pinch = () => {
    const [a, b] = [...fingers.values()] as [{ x: number; at: number }, { x: number; at: number }]
    const perPx = (b.at - a.at) / (b.x - a.x)
    if (perPx > 0 && perPx < Infinity) s.show({ t0: a.at - a.x * perPx, t1: a.at + (s.width() - a.x) * perPx })
  }

  on(s.element, 'pointerdown', (e) => {
    if (e.button !== 0 && e.button !== 1) return
    const { x, y } = point(e)
    if (e.pointerType === 'touch') {
      fingers.set(e.pointerId, { x, at: s.timeAt(x) })
      if (fingers.size > 1) {
        for (const id of fingers.keys()) s.element.setPointerCapture(id)
        drag = null
        return
      }
    }
    const kind = fingers.size || e.shiftKey || e.button === 1 ? 'pan' : e.ctrlKey || e.metaKey ? 'baseline' : 'select'
    const edge = kind === 'select' ? grabbed(x) : null
    drag = { kind, x, y, at: edge ?? s.timeAt(x), visible: s.visible(), moved: edge !== null, id: e.pointerId }
    if (e.button === 1 || e.shiftKey) e.preventDefault()
  })
  on(s.element, 'pointermove', (e) => {
    const { x, y } = point(e)
    const finger = fingers.get(e.pointerId)
    if (finger) {
      finger.x = x
      if (fingers.size === 2) return pinch()
    }
    if (!drag) {
      if (finger) return
      s.element.classList.toggle('tl-edge', grabbed(x) !== null)
      s.hover(x, y)
      return
    }
    if (!drag.moved) {
      if (abs(x - drag.x) < CLICK_PX && (drag.kind !== 'pan' || abs(y - drag.y) < CLICK_PX)) return
      drag.moved = true
    }
    if (!s.element.hasPointerCapture(drag.id)) {
      s.element.setPointerCapture(drag.id)
      s.dragging(true)
    }
    const { t0, t1 } = drag.visible, by = ((drag.x - x) / s.width()) * (t1 - t0)
    if (drag.kind === 'pan') s.show({ t0: t0 + by, t1: t1 + by })
    else (drag.kind === 'select' ? s.setSelection : s.setBaseline).call(s, ordered(drag.at, clampedTime(x)))
  })
  const end = (e: PointerEvent) => {
    const touched = fingers.delete(e.pointerId)
    if (!drag) return
    const { moved, kind } = drag
    drag = null
    s.dragging(false)
    const { x, y } = point(e)
    if (e.type === 'pointerup' && !moved && (touched || kind === 'select')) s.click(x, y)
  }
  on(s.element, 'pointerup', end)
  on(s.element, 'pointercancel', end)
  on(s.element, 'pointerleave', () => { if (!drag) s.leave() })
  on(s.element, 'dblclick', (e) => {
    const { x, y } = point(e)
    s.open(x, y)
  })
  on(s.element, 'wheel', (e) => {
    const lines = e.deltaMode === 1 ? 16 : 1
    if (e.ctrlKey || e.metaKey) {
      e.preventDefault()
      s.zoom(Math.exp(max(-1, min(1, e.deltaY * lines * 0.004))), point(e).x)
    } else if (e.shiftKey || abs(e.deltaX) > abs(e.deltaY)) {
      e.preventDefault()
      s.pan((((e.deltaX || e.deltaY) * lines) / s.width()) * s.spanNs())
    }
  }, { passive: false })
}
