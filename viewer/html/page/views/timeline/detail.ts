/* The panel at the foot: all that is known of the focused row, and what one can do with it; or the list of a lane. */
import { max } from '../../data/math'
import { NONE } from '../../data/recording'
import type { Recording } from '../../data/recording'
import type { Focus } from '../../state'
import { clear, el, on } from '../../ui/dom'
import { duration, leafPlace, moment, percent, place, threadName } from '../../ui/format'
import { StackList } from '../../ui/stack'
import { creditsOf, factsOf, holding, stackOf, stateOf, titleOf, who } from './describe'
import { rangeOf, threadOf } from './navigate'
import { STATE_LOOKS } from '../../ui/theme'

export interface Actions {
  'holder'(): void
  'back'(): void
  'previous'(): void
  'next'(): void
  'zoom'(): void
  'select'(): void
  'thread'(): void
  'close'(): void
}

const HOLDERS_SHOWN = 12

export class DetailPanel {
  readonly element = el('section.tl-detail', { label: 'Details of the focused row', hidden: true })
  private buttons = new Map<string, HTMLButtonElement>()
  private readonly body = el('div.tl-detail-body')
  private readonly heading = el('h2.tl-detail-title')

  constructor(private rec: Recording, actions: Actions) {
    const button = (id: keyof Actions, text: string, key: string, title: string) => {
      const b = el('button.plain', { type: 'button', title, on: { click: () => actions[id]() } }, text, key ? el('kbd', key) : null)
      this.buttons.set(id, b)
      return b
    }
    const bar = el('div.tl-detail-bar',
      button('holder', 'Holder', 'g', 'Go to the hold that this wait waited for; from a hold, to the wait before it'),
      button('back', 'Back', 'b', 'Back to where you came from'),
      button('previous', 'Previous', ',', 'The row before it in its lane'),
      button('next', 'Next', '.', 'The row after it in its lane'),
      button('zoom', 'Zoom', 'f', 'Fit it into the window'),
      button('select', 'Select its time', '', 'Select its time: the other views show only that'),
      button('thread', 'Only this thread', '', 'Filter the other views by its thread'),
      button('close', 'Close', 'Esc', 'Close'))
    this.element.append(el('div.tl-detail-head', this.heading, bar), this.body)
  }

  hide(): void {
    this.element.hidden = true
  }

  show(f: Focus, can: { holder: boolean; back: boolean }): void {
    const { rec } = this
    const thread = threadOf(rec, f)
    const { t0, t1 } = rangeOf(rec, f)
    this.buttons.get('holder')!.disabled = !can.holder
    this.buttons.get('holder')!.firstChild!.textContent = f.table === 'hold' ? 'Wait before' : 'Holder'
    this.buttons.get('back')!.disabled = !can.back
    this.buttons.get('thread')!.disabled = thread === NONE
    for (const id of ['previous', 'next', 'zoom', 'select', 'thread', 'holder'] as const) this.buttons.get(id)!.hidden = false
    clear(this.heading)
    this.heading.append(el('span', { class: `tl-swatch s-${STATE_LOOKS[stateOf(rec, f)].name}`, decor: true }),
      el('bdi', who(rec, thread)), ` ${titleOf(rec, f)}`, f.table === 'sample' ? '' : `, ${duration(t1 - t0)}`)
    const span = max(1, t1 - t0)
    const rows: [string, string][] = [['thread', thread === NONE ? 'not known' : `${threadName(rec.threads[thread])}, tid ${rec.threads[thread]!.tid}`],
      ['from', moment(t0, span)], ...(f.table === 'sample' ? [] : [['to', moment(t1, span)], ['lasted', duration(t1 - t0)]] as [string, string][]), ...factsOf(rec, f)]
    clear(this.body)
    this.body.append(el('div.tl-col', el('dl.tl-facts', ...rows.map(([name, value]) => el('div', el('dt', name), el('dd', el('bdi', value)))))))
    if (f.table === 'wait') this.body.append(this.holders(f.row))
    if (f.table !== 'tally') this.body.append(el('div.tl-col tl-col-stack', el('h3', f.table === 'wait' ? 'Waits here' : 'Stack'), new StackList(rec, stackOf(rec, f)).element))
    this.element.hidden = false
  }

  /* Who held the lock meanwhile. */
  private holders(wait: number): HTMLElement {
    const { rec } = this
    const credits = creditsOf(rec, wait)
    const all = rec.waits.t1[wait]! - rec.waits.t0[wait]!
    const box = el('div.tl-col tl-col-holders', el('h3', 'Held meanwhile by'))
    for (const c of credits.slice(0, HOLDERS_SHOWN)) {
      const at = leafPlace(rec, c.stack)
      const entry = el('details.tl-holder',
        el('summary', el('span.tl-num', duration(c.ns)), el('span.tl-num tl-dim', percent(c.ns, all)), el('bdi.tl-holder-name', who(rec, c.holder)),
          el('span.tl-dim', holding(rec, c)), el('bdi.tl-holder-place', at ? place(at) : '')))
      on(entry, 'toggle', () => { if (entry.open && entry.children.length === 1) entry.append(new StackList(rec, c.stack).element) })
      box.append(entry)
    }
    if (!credits.length) box.append(el('p.tl-dim', 'Nobody was seen holding it.'))
    if (credits.length > HOLDERS_SHOWN) box.append(el('p.tl-dim', `and ${credits.length - HOLDERS_SHOWN} more, ${duration(credits.slice(HOLDERS_SHOWN).reduce((ns, c) => ns + c.ns, 0))}`))
    /* the first one is what one looks for */
    const first = box.querySelector('details')
    if (first) first.open = true
    return box
  }

  /* Rows of a lane as a table, a page at a time. */
  list(title: string, rows: Focus[], from: number, all: number, open: (f: Focus) => void, page: (by: number) => void): void {
    const { rec } = this
    for (const id of ['previous', 'next', 'zoom', 'select', 'thread', 'holder'] as const) this.buttons.get(id)!.hidden = true
    this.heading.replaceChildren(title)
    const step = rows.length
    const pager = el('div.tl-pager', el('span.tl-dim', all ? `${from + 1} to ${from + step} of ${all} in the visible range` : 'nothing in the visible range'),
      el('button.plain', { type: 'button', disabled: from === 0, on: { click: () => page(-1) } }, 'Previous page'),
      el('button.plain', { type: 'button', disabled: from + step >= all, on: { click: () => page(1) } }, 'Next page'))
    /* the same number of digits in all rows */
    const span = rows.length > 1 ? max(1e3, (rangeOf(rec, rows[rows.length - 1]!).t0 - rangeOf(rec, rows[0]!).t0) / rows.length / 10) : 1e3
    const head = el('tr', ...['from', 'state', 'lasted', 'details', 'function'].map((text) => el('th', { scope: 'col' }, text)))
    const body = rows.map((f) => {
      const { t0, t1 } = rangeOf(rec, f)
      const at = leafPlace(rec, stackOf(rec, f))
      const facts = factsOf(rec, f).filter(([name]) => name !== 'remarks').slice(0, 2).map(([, value]) => value).join(', ')
      return el('tr', el('th', { scope: 'row' }, el('button.link', { type: 'button', on: { click: () => open(f) } }, moment(t0, span))),
        el('td', titleOf(rec, f)), el('td.tl-num', f.table === 'sample' ? '' : duration(t1 - t0)), el('td', el('bdi', facts)), el('td', el('bdi', at ? place(at) : '')))
    })
    this.body.replaceChildren(el('div.tl-list', pager, el('table', { label: title }, el('thead', head), el('tbody', ...body))))
    this.element.hidden = false
    ;(this.body.querySelector('tbody button') as HTMLElement | null)?.focus()
  }
}
