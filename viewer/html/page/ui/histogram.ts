/* Lengths of waits as bars, one row a bin, with the multiples of the switch interval marked.  A table, so that it reads
 * without eyes as well. */
import type { Bin, Histogram } from '../data/aggregate'
import { el } from './dom'
import { count, duration } from './format'

function markText(bin: Bin): string {
  return bin.multiple === 1 ? '← switch interval' : bin.multiple ? `${bin.multiple}×` : ''
}

/* Without empty bins at the ends, except the switch interval. */
function told(bins: Bin[]): Bin[] {
  const used = bins.map((b, i) => (b.waits > 0 || b.multiple === 1 ? i : -1)).filter((i) => i >= 0)
  return used.length ? bins.slice(used[0], used[used.length - 1]! + 1) : []
}

export function histogramTable(h: Histogram, byTime: boolean, label: string): HTMLElement {
  const bins = told(h.bins)
  const of = (b: Bin) => (byTime ? b.ns : b.waits)
  const most = Math.max(...bins.map(of), 1e-9)
  const rows = bins.map((b) => {
    const bar = el('span', { class: b.multiple ? 'hist-bar over' : 'hist-bar', 'aria-hidden': 'true' })
    bar.style.setProperty('--share', `${(100 * of(b)) / most}%`)
    return el('tr', { class: b.multiple ? 'multiple' : '' }, el('th', { scope: 'row', text: b.from ? `from ${duration(b.from)}` : `under ${duration(b.to)}` }),
      el('td', { class: 'hist-cell' }, bar), el('td', { class: 'num', text: b.waits ? count(b.waits) : '·' }), el('td', { class: 'num', text: b.waits ? duration(b.ns) : '·' }),
      el('td', { class: 'hist-mark', text: markText(b) }))
  })
  return el('table', { class: 'hist', 'aria-label': label },
    el('thead', {}, el('tr', {}, el('th', { scope: 'col', text: 'wait' }), el('th', { scope: 'col', text: byTime ? 'time waited' : 'how many' }),
      el('th', { scope: 'col', class: 'num', text: 'waits' }), el('th', { scope: 'col', class: 'num', text: 'time' }), el('th', { scope: 'col' }, el('span', { class: 'offscreen', text: 'mark' })))),
    el('tbody', {}, ...rows))
}
