/* Lengths of waits as bars, one row a bin, with the multiples of the switch interval marked.  A table, so that it reads
 * without eyes as well. */
import { max } from '../data/math'
import type { Bin, Histogram } from '../data/aggregate'
import { el, style } from './dom'
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
  const most = max(...bins.map(of), 1e-9)
  const rows = bins.map((b) => {
    const bar = el('span', { class: b.multiple ? 'hist-bar over' : 'hist-bar', decor: true })
    style(bar, '--share', `${(100 * of(b)) / most}%`)
    return el('tr', { class: b.multiple ? 'multiple' : '' }, el('th', { scope: 'row' }, b.from ? `from ${duration(b.from)}` : `under ${duration(b.to)}`),
      el('td.hist-cell', bar), el('td.num', b.waits ? count(b.waits) : '·'), el('td.num', b.waits ? duration(b.ns) : '·'),
      el('td.hist-mark', markText(b)))
  })
  return el('table.hist', { label: label },
    el('thead', el('tr', el('th', { scope: 'col' }, 'wait'), el('th', { scope: 'col' }, byTime ? 'time waited' : 'how many'),
      el('th.num', { scope: 'col' }, 'waits'), el('th.num', { scope: 'col' }, 'time'), el('th', { scope: 'col' }, el('span.offscreen', 'mark')))),
    el('tbody', ...rows))
}
