/* What is under the mouse. */
import { f64, max, min, round } from '../../data/math'
import { CHANNELS, COUNTED, HELD, WORST, sumsOf } from '../../data/pyramid'
import { NONE, STATES } from '../../data/recording'
import type { Recording } from '../../data/recording'
import type { Focus } from '../../state'
import { clear, el, style } from '../../ui/dom'
import { count, duration, fileLine, moment, percent, printable } from '../../ui/format'
import { stackFrames } from '../../ui/stack'
import { STATE_LOOKS } from '../../ui/theme'
import { creditsOf, factsOf, holding, stackOf, stateLabel, stateOf, titleOf, who } from './describe'
import { rangeOf, threadOf } from './navigate'

const FRAMES = 6
const HOLDERS = 3

export class Tooltip {
  readonly element = el('div.tl-tip', { role: 'tooltip', hidden: true })
  private sums = f64(CHANNELS)

  constructor(private rec: Recording) {}

  hide(): void {
    this.element.hidden = true
  }

  /* Beside the point, inside the box of width by height. */
  at(x: number, y: number, width: number, height: number): void {
    this.element.hidden = false
    const w = this.element.offsetWidth, h = this.element.offsetHeight
    const left = x + 16 + w > width ? max(4, x - 16 - w) : x + 16
    const top = max(4, min(height - h - 4, y + 16))
    style(this.element, 'transform', `translate(${round(left)}px, ${round(top)}px)`)
  }

  row(f: Focus, rows: number, from: number, to: number): void {
    const { rec } = this
    clear(this.element)
    const { t0, t1 } = rangeOf(rec, f)
    const thread = threadOf(rec, f)
    this.element.append(el('div.tl-tip-title', el('span', { class: `tl-swatch s-${STATE_LOOKS[stateOf(rec, f)].name}`, decor: true }),
      el('b', titleOf(rec, f)), el('span', f.table === 'sample' ? '' : duration(t1 - t0))),
      this.line(who(rec, thread), moment(t0, max(1, t1 - t0)) + (f.table === 'sample' ? '' : ` – ${moment(t1, max(1, t1 - t0))}`)))
    for (const [name, value] of factsOf(rec, f)) this.element.append(this.line(name, value))
    if (f.table === 'wait')
      for (const c of creditsOf(rec, f.row).slice(0, HOLDERS)) this.element.append(this.line(`held ${duration(c.ns)} by`, [who(rec, c.holder), holding(rec, c)].filter((t) => t).join(', ')))
    const frames = stackFrames(rec, stackOf(rec, f))
    if (frames.length) {
      const shown = frames.slice(0, FRAMES).map((at) => el('li', el('bdi', printable(at.function)), ' ', el('bdi.tl-dim', fileLine(at))))
      this.element.append(el('ol.tl-tip-stack', ...shown, frames.length > FRAMES ? el('li.tl-dim', `${frames.length - FRAMES} more outwards`) : null))
    }
    if (rows > 1 && f.table !== 'hold' && thread !== NONE) this.mix(thread, rows, from, to)
    else if (rows > 1) this.element.append(el('div.tl-tip-note', `the longest of ${count(rows)} holds in this pixel`))
  }

  /* What else is in a pixel that holds many rows. */
  private mix(thread: number, rows: number, from: number, to: number): void {
    const sums = sumsOf(this.rec, thread, from, to, this.sums)
    const all = to - from
    const parts = Array.from({ length: STATES }, (_, s) => s).filter((s) => sums[s]! > 0).sort((a, b) => sums[b]! - sums[a]!).slice(0, 4)
    this.element.append(el('div.tl-tip-note', `${count(rows)} rows in this pixel (${duration(all)}):`),
      ...parts.map((s) => this.line(percent(sums[s]!, all), stateLabel(s))))
    if (sums[HELD]! > 0) this.element.append(this.line(percent(sums[HELD]!, all), 'holding the GIL while not running'))
    if (sums[COUNTED]! > 0) this.element.append(this.line(percent(sums[COUNTED]!, all), 'known by number and sum only'))
    if (sums[WORST]! > 0) this.element.append(this.line('longest wait', duration(sums[WORST]!)))
  }

  /* Counted stretches of a thread: all that are known for that time. */
  tally(f: Focus): void {
    this.row(f, 0, 0, 0)
    const { tallies, threads } = this.rec
    const thread = threadOf(this.rec, f)
    const [from, to] = thread === NONE ? [0, 0] : threads[thread]!.tallies
    for (let i = from; i < to && tallies.t0[i]! <= tallies.t0[f.row]!; i++)
      if (i !== f.row && tallies.t0[i] === tallies.t0[f.row]) this.element.append(this.line(duration(tallies.ns[i]!), `${stateLabel(tallies.state[i]!)}, ${count(tallies.count[i]!)} stretches`))
  }

  cpu(values: { gil: number; nogil: number; runnable: number }, from: number, to: number): void {
    clear(this.element)
    const n = (v: number) => (v < 9.95 ? v.toFixed(1) : v.toFixed(0))
    this.element.append(el('div.tl-tip-title', el('b', 'threads on CPUs'), el('span', moment(from, to - from))),
      this.line(n(values.gil), 'running with the GIL'), this.line(n(values.nogil), 'running without the GIL'), this.line(n(values.runnable), 'want a CPU'))
  }

  private line(name: string, value: string): HTMLElement {
    return el('div.tl-tip-line', el('span.tl-dim', el('bdi', name)), el('bdi', value))
  }
}
