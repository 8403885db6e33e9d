/* The one table of the page: headers that sort, rows drawn only where they are seen once there are many, the whole of
 * it copied as tab separated text.  Scrolls with the nearest .scroll around it; its header stays at the top of that. */
import { ceil, floor, max, min } from '../data/math'
import { clear, el, on, style } from './dom'
import { duration } from './format'

type Cell = Node | string

export interface Column<R> {
  title: string
  help?: string
  number?: boolean /* right, tabular */
  wide?: boolean /* takes what is left, is cut with dots */
  name?: boolean /* is cut with dots when long */
  value(row: R): number | string /* sorts by it; copied unless text() is given */
  cell?(row: R): Cell | Cell[]
  text?(row: R): string
}

export const some = (n: number, text: (n: number) => string): string => (n > 0 ? text(n) : '·')

/* Right, tabular, nothing as a dot. */
export function numbers<R>(title: string, value: (row: R) => number, format: (n: number) => string, help?: string): Column<R> {
  return { title, help, number: true, value, text: (row) => some(value(row), format) }
}

/* Percentiles of waits; of some that were only counted the mean stands for all. */
export function lengths<R extends { p50: number; p99: number; about: boolean; max: number }>(): Column<R>[] {
  const note = '; ~: some short waits were only counted, their mean stands for them'
  const column = (title: string, value: (row: R) => number, help: string): Column<R> => ({
    ...numbers(title, value, duration, help + note), text: (r) => some(value(r), (n) => (r.about ? '~' : '') + duration(n)),
  })
  return [column('p50', (r) => r.p50, 'Half of the waits are longer'), column('p99', (r) => r.p99, 'One in a hundred is longer'), numbers('longest', (r) => r.max, duration)]
}

export interface TableOptions<R> {
  label: string
  columns: Column<R>[]
  sort: string /* title of a column, '-' before it: largest first */
  empty: string
  key(row: R): number | string
  open?(row: R): void /* a click on the row; the first cell becomes a button */
  selected?(row: R): boolean
}

const VIRTUAL_FROM = 200
const ROW_HEIGHT = 26
const SPARE_ROWS = 12

export class Table<R> {
  readonly element: HTMLElement
  private readonly head: HTMLTableRowElement
  private readonly body: HTMLTableSectionElement
  private readonly table: HTMLTableElement
  private readonly note: HTMLElement
  private rows: R[] = []
  private column: Column<R>
  private down: boolean
  private scroller: Element | null = null
  private drawn: [number, number] = [-1, -1]

  constructor(private readonly options: TableOptions<R>) {
    this.down = options.sort.startsWith('-')
    this.column = options.columns.find((c) => c.title === options.sort.replace('-', ''))!
    this.head = el('tr')
    this.body = el('tbody')
    this.table = el('table.table', { label: options.label }, el('thead', this.head), this.body)
    this.note = el('p.quiet', { hidden: true }, options.empty)
    const copy = el('button.plain copy', { title: `Copy “${options.label}” as tab separated text` }, 'Copy')
    on(copy, 'click', () => void copyText(tsv(options.columns, this.rows), copy))
    this.element = el('div.table-box', copy, this.table, this.note)
    on(this.body, 'click', (e) => this.onClick(e))
    this.drawHead()
  }

  setRows(rows: R[]): void {
    this.rows = [...rows]
    this.sortRows()
    this.draw(true)
  }

  /* The rows are the same, what is selected may not be. */
  refresh(): void {
    this.draw(true)
  }

  private sortRows(): void {
    this.rows = sorted(this.rows, this.column, this.down)
  }

  private drawHead(): void {
    clear(this.head)
    for (const c of this.options.columns) {
      const here = c === this.column
      const button = el('button.sort', { title: c.help, on: { click: () => this.sortBy(c) } },
        c.title, el('span.arrow', { decor: true }, here ? (this.down ? '▾' : '▴') : ''))
      this.head.append(el('th', {
        scope: 'col', class: c.number ? 'num' : c.wide ? 'wide' : '', 'aria-sort': here ? (this.down ? 'descending' : 'ascending') : undefined,
      }, button))
    }
  }

  private sortBy(c: Column<R>): void {
    this.down = c === this.column ? !this.down : !!c.number
    this.column = c
    this.drawHead()
    ;(this.head.children[this.options.columns.indexOf(c)]!.firstChild as HTMLElement).focus()
    this.sortRows()
    this.draw(true)
  }

  private isVirtual(): boolean {
    return this.rows.length > VIRTUAL_FROM
  }

  /* Rows [from, to) that are in sight, with some to spare. */
  private window(): [number, number] {
    if (!this.isVirtual()) return [0, this.rows.length]
    if (!this.scroller) {
      this.scroller = this.element.closest('.scroll')
      if (this.scroller) on(this.scroller, 'scroll', () => this.draw(false), { passive: true })
    }
    const box = this.scroller?.getBoundingClientRect()
    return rowsInSight((box?.top ?? 0) - this.table.getBoundingClientRect().top - ROW_HEIGHT, box?.height ?? 800, this.rows.length)
  }

  private draw(always: boolean): void {
    const [from, to] = this.window()
    if (!always && from === this.drawn[0] && to === this.drawn[1]) return
    this.drawn = [from, to]
    this.note.hidden = this.rows.length > 0
    this.table.hidden = this.rows.length === 0
    this.table.classList.toggle('virtual', this.isVirtual())
    if (this.isVirtual()) this.table.setAttribute('aria-rowcount', String(this.rows.length + 1))
    else this.table.removeAttribute('aria-rowcount')
    const focused = this.body.contains(document.activeElement) ? (document.activeElement!.closest('tr') as HTMLElement | null)?.dataset.key : undefined
    const lines = this.rows.slice(from, to).map((row, i) => this.makeRow(row, from + i))
    this.body.replaceChildren(...spacer(from), ...lines, ...spacer(this.rows.length - to))
    if (focused !== undefined) (lines.find((l) => l.dataset.key === focused)?.querySelector('button') as HTMLElement | null)?.focus({ preventScroll: true })
  }

  private makeRow(row: R, at: number): HTMLTableRowElement {
    const { columns, open, selected, key } = this.options
    const line = el('tr', { class: open ? 'opens' : '', 'data-at': at, 'data-key': key(row), 'aria-rowindex': this.isVirtual() ? at + 2 : undefined })
    const marked = selected?.(row)
    if (marked) line.classList.add('selected')
    columns.forEach((c, i) => {
      const shown = c.cell ? c.cell(row) : c.text ? c.text(row) : String(c.value(row))
      const cells = Array.isArray(shown) ? shown : [shown]
      const cell = el(i === 0 ? 'th' : 'td', { scope: i === 0 ? 'row' : undefined, class: c.number ? 'num' : c.wide ? 'wide' : c.name ? 'name' : '' })
      if (i === 0 && open) cell.append(el('button.link', { 'aria-pressed': selected ? String(!!marked) : undefined }, ...cells))
      else cell.append(...cells)
      if (c.wide || c.name) cell.title = c.text ? c.text(row) : String(c.value(row))
      line.append(cell)
    })
    return line
  }

  private onClick(e: Event): void {
    const target = e.target as Element
    const line = target.closest('tr')
    const button = target.closest('button, a')
    if (!this.options.open || line?.dataset.at === undefined || (button && !button.classList.contains('link'))) return
    if (String(getSelection() ?? '') !== '' && !button) return /* somebody marks text */
    this.options.open(this.rows[Number(line.dataset.at)]!)
  }
}

function spacer(rows: number): HTMLElement[] {
  if (rows <= 0) return []
  const cell = el('td.spacer')
  style(cell, 'height', `${rows * ROW_HEIGHT}px`)
  return [el('tr', { decor: true }, cell)]
}

/* Rows [from, to) to draw when `above` pixels of them are scrolled away and `height` are in sight. */
export function rowsInSight(above: number, height: number, n: number): [number, number] {
  const first = floor(above / ROW_HEIGHT) - SPARE_ROWS
  const from = max(0, min(first - (first & 1), n - 1))
  return [from, min(n, from + ceil(height / ROW_HEIGHT) + 2 * SPARE_ROWS + 1)]
}

/* What has no number stays last either way. */
export function sorted<R>(rows: readonly R[], column: Pick<Column<R>, 'value'>, down: boolean): R[] {
  const keyed = rows.map((row, at) => ({ row, at, value: column.value(row) }))
  const last = (v: number | string) => Number(typeof v === 'number' && Number.isNaN(v))
  keyed.sort((a, b) => last(a.value) - last(b.value) || (down ? -1 : 1) * compare(a.value, b.value) || a.at - b.at)
  return keyed.map((k) => k.row)
}

export function tsv<R>(columns: readonly Column<R>[], rows: readonly R[]): string {
  const line = (cells: string[]) => cells.map((text) => text.replace(/[\t\r\n]+/g, ' ')).join('\t')
  const cell = (c: Column<R>, r: R) => (c.text ? c.text(r) : String(c.value(r)))
  return [line(columns.map((c) => c.title)), ...rows.map((r) => line(columns.map((c) => cell(c, r))))].join('\n') + '\n'
}

export function compare(a: number | string, b: number | string): number {
  if (typeof a === 'number' && typeof b === 'number') return Number.isNaN(a) || Number.isNaN(b) ? 0 : a - b
  return String(a).localeCompare(String(b), 'en', { numeric: true })
}

/* The clipboard needs a secure context, which a file need not be. */
export async function copyText(text: string, button: HTMLElement): Promise<void> {
  const was = button.textContent
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    const area = el('textarea.offscreen', { decor: true })
    area.value = text
    document.body.append(area)
    area.select()
    document.execCommand('copy')
    area.remove()
  }
  button.textContent = 'Copied'
  setTimeout(() => { button.textContent = was }, 1200)
}
