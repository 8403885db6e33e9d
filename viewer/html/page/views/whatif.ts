/* What would be gained: the waiting that vanishes if a hold released the GIL, and how much faster the work could be done
 * at most, with what is assumed. */
import { max, min } from '../data/math'
import type { FactsFrame, WhatIf } from '../data/recording'
import type { Key } from '../state'
import { clear, el, style } from '../ui/dom'
import { count, duration, percent, place, printable, processName } from '../ui/format'
import { View } from '../view'
import { processRow } from './findings'

function frameText(f: FactsFrame | null): string {
  return f ? place(f) : '(no Python stack)'
}

export class WhatIfView extends View {
  readonly id = 'whatif' as const
  readonly title = 'What if'

  protected build(): void {
    this.draw()
  }

  update(changed: ReadonlySet<Key>): void {
    if (changed.has('process')) this.draw()
  }

  private draw(): void {
    const { process, selection, thread } = this.s
    const { processes } = this.rec.facts
    clear(this.host)
    const box = el('div.whatif')
    if (selection || thread !== null) box.append(el('p.quiet', 'These answers are about the whole recording, not about what is selected.'))
    processes.forEach((p, i) => {
      const row = processRow(this.rec, p, i)
      if (process !== null && process !== row) return
      if (processes.length > 1) box.append(el('h2', processName(this.rec, row)))
      if (p.what_if) box.append(this.pairs(p.what_if), this.bounds(p.what_if))
      else box.append(el('p', 'Not computed: this recording has no waits that could be replayed.'))
    })
    this.host.append(box)
  }

  private pairs(w: WhatIf): HTMLElement {
    const head = el('div.section-head', el('h2', 'If the code at one line did not need the GIL'), el('span.quiet', 'the recorded waits replayed without its holds, each line alone'))
    const section = el('section', { label: 'If the code at one line did not need the GIL' }, head)
    if (w.replay && !w.replay.trusted) section.append(el('p', `Not predicted: replayed as it was, the waiting differs by ${percent(w.replay.error)} from what was recorded, so a replay of something else says nothing.`))
    else if (w.pairs.length) section.append(this.table(w), el('p.quiet', this.belief(w)))
    else section.append(el('p.quiet', 'Not computed: there is no hold to replay.'))
    return section
  }

  private belief(w: WhatIf): string {
    const trust = w.replay ? `Replayed as it was, the waiting differs by ${percent(w.replay.error)} from what was recorded. ` : ''
    const until = w.replay?.until_ns ? `Only the first ${duration(w.replay.until_ns)} were replayed. ` : ''
    return `${trust}${until}Assumed: a CPU for each thread, and a hold at that line is one call that lets go at once and gets the GIL back at its end.`
  }

  private table(w: WhatIf): HTMLElement {
    const most = max(...w.pairs.map((p) => p.wait_ns), 1)
    const rows = [...w.pairs].sort((a, b) => b.saved_ns - a.saved_ns).map((p) => {
      const bar = el('span.saved-bar', { decor: true }, el('i'))
      style(bar, '--all', `${(100 * p.wait_ns) / most}%`)
      style(bar, '--ratio', String(min(1, p.saved_ns / (p.wait_ns || 1))))
      const name = (f: FactsFrame | null) => el('bdi', { title: frameText(f) }, frameText(f))
      return el('tr', el('th', { scope: 'row' }, name(p.holder)), el('td', name(p.waiter)), el('td.saved-cell', bar),
        el('td.num', el('b', duration(p.saved_ns))), el('td.num', percent(p.saved_ns, p.wait_ns)), el('td.num', duration(p.wait_ns)),
        el('td.num', p.queue_ns ? duration(p.queue_ns) : '·'), el('td.num', count(p.holds)))
    })
    const titles: [string, string][] = [['line that holds', ''], ['waits most for it', ''], ['waiting, and what vanishes', ''], ['vanishes', 'Waiting blamed on the line that would vanish'],
      ['of it', 'Share of the waiting blamed on the line'], ['blamed', 'Waiting blamed on the line'], ['beyond', 'More would vanish by shorter queues and other timing'], ['holds', '']]
    return el('div.grid-box', { tabindex: 0, role: 'group', label: 'Waiting that vanishes, by line' }, el('table.saved', el('thead', el('tr', ...titles.map(([text, help], i) => el('th', { scope: 'col', class: i > 2 ? 'num' : '', title: help || undefined }, text)))), el('tbody', ...rows)))
  }

  private bounds(w: WhatIf): HTMLElement {
    return el('section', { label: 'Bounds on the speed-up' },
      el('div.section-head', el('h2', 'How much faster at most'), el('span.quiet', 'upper bounds from measured states, with what each assumes')),
      el('ul.bounds', ...w.bounds.map((b) => el('li', el('div.bound-value', `${b.speedup.toFixed(b.speedup < 9.95 ? 2 : 1)}×`),
        el('div', el('h3', printable(b.title)), el('ul', ...b.assumes.map((text) => el('li', printable(text)))))))),
      w.bounds.length ? null : el('p.quiet', 'Not computed.'))
  }
}
