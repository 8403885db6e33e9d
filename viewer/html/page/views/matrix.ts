/* Who blocks whom: waiters down the side, holders along the top, by function, line or thread; the waiting time of each
 * two as a share of all, written and as heat.  A cell opens the stacks and the waits behind it. */
import { max, min } from '../data/math'
import type { PairSums, PairUnit, Sums } from '../data/aggregate'
import { filterOf, pairDetails, sums, UNSEEN } from '../data/aggregate'
import type { Recording } from '../data/recording'
import type { Key, ViewState } from '../state'
import { clear, el, on, style } from '../ui/dom'
import { count, counted, duration, lockName, percent, place, threadName } from '../ui/format'
import { segmented } from '../ui/segmented'
import { Table, numbers } from '../ui/table'
import { type KeyBinding, View } from '../view'
import { linePlace, lineText, meanwhile, twoSides, waitTable } from './blocks'

const SHOWN = 12 /* rows and columns; the rest is "others" */
const WAITS_LISTED = 500
const HEAT_MAX = 0.62
const OTHERS = -1

const UNITS = { 'functions': 'function', 'lines': 'line', 'threads': 'thread' } as const satisfies Record<ViewState['matrix'], PairUnit>

/* A waiter or holder by name. */
function nameOf(rec: Recording, unit: PairUnit, id: number): string {
  if (id === OTHERS) return 'others'
  if (id === UNSEEN) return '(holder not seen)'
  if (unit === 'thread') return threadName(rec.threads[id])
  if (unit === 'line') return lineText(rec, id)
  const at = linePlace(rec, id)
  return place(at ? { ...at, line: null } : null)
}

/* Sums of pairs by row and column. */
class Grid {
  readonly cells = new Map<string, { ns: number; waits: number; pair: PairSums | null }>()
  readonly rowNs = new Map<number, number>()
  readonly columnNs = new Map<number, number>()
  rows: number[]
  columns: number[]
  total = 0
  most = 0

  constructor(pairs: PairSums[]) {
    const add = (map: Map<number, number>, id: number, ns: number) => map.set(id, (map.get(id) ?? 0) + ns)
    const byRow = new Map<number, number>(), byColumn = new Map<number, number>()
    for (const p of pairs) {
      add(byRow, p.waiter, p.ns)
      add(byColumn, p.holder, p.ns)
    }
    const top = (map: Map<number, number>) => {
      const ids = [...map].sort((a, b) => b[1] - a[1]).map(([id]) => id)
      return ids.length > SHOWN + 1 ? [...ids.slice(0, SHOWN), OTHERS] : ids
    }
    this.rows = top(byRow)
    this.columns = top(byColumn)
    const rows = new Set(this.rows), columns = new Set(this.columns)
    for (const p of pairs) {
      const row = rows.has(p.waiter) ? p.waiter : OTHERS, column = columns.has(p.holder) ? p.holder : OTHERS
      const at = this.cells.get(`${row},${column}`) ?? { ns: 0, waits: 0, pair: row === OTHERS || column === OTHERS ? null : p }
      at.ns += p.ns
      at.waits += p.waits
      this.cells.set(`${row},${column}`, at)
      add(this.rowNs, row, p.ns)
      add(this.columnNs, column, p.ns)
      this.total += p.ns
    }
    for (const c of this.cells.values()) this.most = max(this.most, c.ns)
  }

  /* Most first by that column (or row, or in all); others stay last. */
  sortRows(column: number | null): void {
    const of = (row: number) => (column === null ? this.rowNs.get(row) : this.cells.get(`${row},${column}`)?.ns) ?? 0
    this.rows.sort((a, b) => Number(a === OTHERS) - Number(b === OTHERS) || of(b) - of(a))
  }

  sortColumns(row: number | null): void {
    const of = (column: number) => (row === null ? this.columnNs.get(column) : this.cells.get(`${row},${column}`)?.ns) ?? 0
    this.columns.sort((a, b) => Number(a === OTHERS) - Number(b === OTHERS) || of(b) - of(a))
  }
}

export class Matrix extends View {
  readonly id = 'blame' as const
  readonly title = 'Who blocks whom'
  private readonly unitChoice = segmented('Rows and columns', [
    { value: 'functions', label: 'Functions' }, { value: 'lines', label: 'Lines' }, { value: 'threads', label: 'Threads' },
  ], 'functions', (matrix) => this.set({ matrix, cell: '' }))
  private readonly formChoice = segmented('Form', [{ value: 'matrix', label: 'Matrix' }, { value: 'table', label: 'Table' }], 'matrix',
    (form) => this.set({ asTable: form === 'table' }))
  private readonly note = el('p.quiet')
  private readonly body = el('div.matrix-body')
  private readonly detail = el('section.matrix-detail', { label: 'The cell that is open' })
  private sortRow: number | null = null
  private sortColumn: number | null = null
  private focusAt: [number, number] = [1, 1]

  override get keys(): KeyBinding[] {
    return [
      { keys: ['1', '2', '3'], help: 'By function, by line, by thread', run: (e) => this.set({ matrix: (['functions', 'lines', 'threads'] as const)[Number(e.key) - 1]!, cell: '' }) },
      { keys: ['t'], help: 'As a matrix or as a table', run: () => this.set({ asTable: !this.s.asTable }) },
    ]
  }

  protected build(): void {
    this.host.append(el('div.matrix', el('div.bar-row', this.unitChoice.element, this.formChoice.element, this.note), this.body, this.detail))
    this.draw()
  }

  update(changed: ReadonlySet<Key>): void {
    if (changed.has('matrix') || changed.has('view')) this.sortRow = this.sortColumn = null
    if (['selection', 'process', 'thread', 'lock', 'matrix', 'asTable', 'search', 'view'].some((k) => changed.has(k as Key))) this.draw()
    else if (changed.has('cell')) {
      this.markOpen()
      this.drawDetail()
    }
  }

  private get unit(): PairUnit {
    return UNITS[this.s.matrix]
  }

  private sums(): Sums {
    return sums(this.rec, filterOf(this.s))
  }

  private pairs(): PairSums[] {
    const { search } = this.s
    const all = this.sums().pairs(this.unit)
    if (!search) return all
    const wanted = search.toLowerCase()
    const hit = new Map<number, boolean>()
    const matches = (id: number) => {
      let yes = hit.get(id)
      if (yes === undefined) hit.set(id, (yes = nameOf(this.rec, this.unit, id).toLowerCase().includes(wanted)))
      return yes
    }
    return all.filter((p) => matches(p.waiter) || matches(p.holder))
  }

  private draw(): void {
    const s = this.s
    const pairs = this.pairs()
    const ns = pairs.reduce((n, p) => n + p.ns, 0)
    this.unitChoice.set(s.matrix)
    this.formChoice.set(s.asTable ? 'table' : 'matrix')
    const what = s.lock === null ? 'the GIL' : lockName(this.rec, s.lock)
    this.note.textContent = pairs.length ? `${duration(ns)} of waiting for ${what}: down the side who waits, along the top who holds it meanwhile` : ''
    clear(this.body)
    if (!pairs.length) this.body.append(el('p.quiet', s.search ? 'Nothing matches the search.' : `Nobody waited for ${what}${s.selection ? ' in the selection' : ''}.`))
    else if (s.asTable) this.body.append(this.table(pairs, ns))
    else this.drawGrid(new Grid(pairs))
    this.drawDetail()
  }

  /* The matrix */

  private drawGrid(grid: Grid): void {
    grid.sortRows(this.sortColumn)
    grid.sortColumns(this.sortRow)
    const table = el('table.grid', { role: 'grid', label: 'Waiting time, waiters by holders' })
    const again = () => {
      this.body.replaceChildren()
      this.drawGrid(grid)
      this.focusCell()
    }
    const corner = el('th.corner', { role: 'columnheader' }, el('button.link', { title: 'Most waiting first, both ways', on: { click: () => { this.sortRow = this.sortColumn = null; again() } } }, 'all'))
    const head = el('tr', { role: 'row' }, corner)
    for (const c of grid.columns) head.append(this.header('column', c, this.sortColumn === c, () => { this.sortColumn = this.sortColumn === c ? null : c; again() }))
    head.append(el('th.sum', { role: 'columnheader' }, 'in all'))
    const body = el('tbody', ...grid.rows.map((r) => this.gridRow(grid, r, () => { this.sortRow = this.sortRow === r ? null : r; again() })))
    body.append(el('tr.sums', { role: 'row' }, el('th.row-name', { role: 'rowheader' }, 'in all'),
      ...grid.columns.map((c) => el('td', { role: 'gridcell' }, percent(grid.columnNs.get(c)!, grid.total))), el('td', { role: 'gridcell' }, duration(grid.total))))
    table.append(el('thead', head), body)
    this.roving(table)
    this.body.append(el('div.grid-box', table))
    this.markOpen()
  }

  private header(kind: 'row' | 'column', id: number, sorted: boolean, sort: () => void): HTMLElement {
    const name = nameOf(this.rec, this.unit, id)
    return el('th', { class: kind === 'row' ? 'row-name' : 'column-name', role: `${kind}header`, scope: kind === 'row' ? 'row' : 'col', 'aria-sort': sorted && kind === 'column' ? 'descending' : undefined },
      el('button', { class: sorted ? 'link sorted' : 'link', title: `${name}\nSort ${kind === 'row' ? 'holders by this waiter' : 'waiters by this holder'}`, on: { click: sort } }, el('bdi', name)))
  }

  private gridRow(grid: Grid, row: number, sort: () => void): HTMLElement {
    const rec = this.rec
    const line = el('tr', { role: 'row' }, this.header('row', row, this.sortRow === row, sort))
    for (const column of grid.columns) {
      const at = grid.cells.get(`${row},${column}`)
      const cell = el('td', { role: 'gridcell', 'data-cell': at?.pair ? `${row},${column}` : undefined })
      if (at) {
        cell.textContent = percent(at.ns, grid.total).replace(' %', '')
        style(cell, '--heat-at', String(Math.sqrt(at.ns / (grid.most || 1)) * HEAT_MAX))
        const said = `${nameOf(rec, this.unit, row)} waits for ${nameOf(rec, this.unit, column)}: ${duration(at.ns)}, ${percent(at.ns, grid.total)}, ${counted(at.waits, 'wait')}`
        cell.title = said
        cell.setAttribute('aria-label', said)
      } else {
        cell.setAttribute('aria-label', 'none')
      }
      line.append(cell)
    }
    line.append(el('td.sum', { role: 'gridcell' }, duration(grid.rowNs.get(row)!)))
    return line
  }

  /* One cell can be reached by Tab, the others by arrows. */
  private roving(table: HTMLTableElement): void {
    const rows = () => [...table.rows].map((r) => [...r.cells].map((c) => (c.querySelector('button') ?? c) as HTMLElement))
    const all = rows()
    for (const row of all) for (const c of row) c.tabIndex = -1
    const [r, c] = [min(this.focusAt[0], all.length - 1), min(this.focusAt[1], all[0]!.length - 1)]
    this.focusAt = [r, c]
    all[r]![c]!.tabIndex = 0
    on(table, 'keydown', (e) => {
      const [dr, dc] = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[e.key] ?? [0, 0]
      const last = all[0]!.length - 1
      let to: [number, number] | null = dr || dc ? [this.focusAt[0] + dr, this.focusAt[1] + dc] : null
      if (e.key === 'Home') to = [e.ctrlKey ? 0 : this.focusAt[0], 0]
      if (e.key === 'End') to = [e.ctrlKey ? all.length - 1 : this.focusAt[0], last]
      if (to) {
        e.preventDefault()
        this.moveTo(all, [max(0, min(all.length - 1, to[0])), max(0, min(last, to[1]))])
      } else if ((e.key === 'Enter' || e.key === ' ') && e.target instanceof HTMLElement && e.target.dataset.cell) {
        e.preventDefault()
        this.open(e.target.dataset.cell)
      }
    })
    on(table, 'click', (e) => {
      const cell = (e.target as Element).closest('td')
      const at = cell && all.findIndex((row) => row.includes(cell))
      if (!cell || at === null || at < 0) return
      this.moveTo(all, [at, all[at]!.indexOf(cell)])
      if (cell.dataset.cell) this.open(cell.dataset.cell)
    })
  }

  private moveTo(all: HTMLElement[][], to: [number, number]): void {
    all[this.focusAt[0]]![this.focusAt[1]]!.tabIndex = -1
    this.focusAt = to
    const cell = all[to[0]]![to[1]]!
    cell.tabIndex = 0
    cell.focus()
  }

  private focusCell(): void {
    const cell = this.body.querySelector<HTMLElement>('[tabindex="0"]')
    cell?.focus()
  }

  private open(cell: string): void {
    this.set({ cell: this.s.cell === cell ? '' : cell })
    this.detail.scrollIntoView({ block: 'nearest' })
  }

  private markOpen(): void {
    const { cell } = this.s
    for (const td of this.body.querySelectorAll<HTMLElement>('td[data-cell]')) {
      td.classList.toggle('open', td.dataset.cell === cell)
      td.setAttribute('aria-selected', String(td.dataset.cell === cell))
    }
  }

  /* The same as a list */

  private table(pairs: PairSums[], total: number): HTMLElement {
    const rec = this.rec
    const table = new Table<PairSums>({
      label: 'Who blocks whom', sort: '-waiting', empty: '', key: (p) => `${p.waiter},${p.holder}`,
      open: (p) => this.open(`${p.waiter},${p.holder}`),
      selected: (p) => this.s.cell === `${p.waiter},${p.holder}`,
      columns: [
        { title: 'waiter', wide: true, value: (p) => nameOf(rec, this.unit, p.waiter) },
        { title: 'holder', wide: true, value: (p) => nameOf(rec, this.unit, p.holder) },
        numbers('waiting', (p) => p.ns, duration),
        { title: 'share', number: true, value: (p) => p.ns, text: (p) => percent(p.ns, total) },
        numbers('waits', (p) => p.waits, count),
        numbers('mean', (p) => p.ns / p.waits, duration, 'Waiting for this holder in each of these waits'),
        ...['running', 'asleep', 'no CPU', 'not seen'].map((title, state) => ({
          title, help: 'What the holder did meanwhile', number: true, value: (p: PairSums) => p.byState[state]!, text: (p: PairSums) => (p.byState[state] ? percent(p.byState[state]!, p.ns) : '·'),
        })),
      ],
    })
    table.setRows(pairs)
    this.pairTable = table
    return el('div.under-copy', table.element)
  }
  private pairTable: Table<PairSums> | null = null

  private drawDetail(): void {
    const s = this.s
    const rec = this.rec
    clear(this.detail)
    if (s.asTable) this.pairTable?.refresh()
    const [waiter, holder] = s.cell.split(',').map(Number)
    const pair = s.cell ? this.sums().pairs(this.unit).find((p) => p.waiter === waiter && p.holder === holder) : undefined
    this.detail.hidden = !s.cell
    if (!s.cell) return
    if (!pair) {
      this.detail.append(el('p.quiet', 'The pair that was open does not occur here.'))
      return
    }
    const detail = pairDetails(rec, filterOf(s), this.unit, [pair], WAITS_LISTED)[0]!
    const table = waitTable(this.page, 'Its waits')
    table.setRows(detail.waits)
    const said = meanwhile(rec, pair, detail)
    this.detail.append(
      el('div.section-head', el('h2', el('bdi', `${nameOf(rec, this.unit, pair.waiter)} waits for ${nameOf(rec, this.unit, pair.holder)}`)),
        el('span.grow'), el('button.plain', { on: { click: () => this.set({ cell: '' }) } }, 'Close')),
      el('p', `${duration(pair.ns)} in ${counted(pair.waits, 'wait')}${said ? `; holder meanwhile ${said}` : ''}`),
      twoSides(rec, pair, detail, true, this.unit === 'thread'),
      el('h3.waits-head', pair.waits > WAITS_LISTED ? `The ${WAITS_LISTED} longest of its waits` : 'Its waits, longest first'), table.element)
  }
}
