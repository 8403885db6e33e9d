/* The functions of a sandwich: own time, time with what they call; a click makes one the middle. */
import { abs } from '../../data/math'
import { boxName } from '../../data/flame_search'
import type { FunctionSums } from '../../data/flame_tree'
import { unitNs } from '../../data/flame_sources'
import type { ViewState } from '../../state'
import { el } from '../../ui/dom'
import { duration, fileLine } from '../../ui/format'
import { Table } from '../../ui/table'
import { perSecond } from './graph'
import type { Graphs } from './graphs'

interface Row { symbol: number; name: string; place: string; self: number; total: number; change: number }

export class FunctionTable {
  readonly element = el('div.flame-functions scroll', { tabindex: -1 })
  private rows: Row[] = []
  private chosen = -1
  private sums: FunctionSums | null = null
  private table: Table<Row> | null = null
  private text = ''
  private diff = false

  constructor(private readonly choose: (symbol: number) => void) {}

  show(s: Readonly<ViewState>, graphs: Graphs, chosen: number): void {
    const sums = graphs.functions(s)
    this.chosen = chosen
    if (sums === this.sums) return this.table?.refresh()
    this.sums = sums
    const symbols = graphs.symbolsOf(s)
    const unit = unitNs(symbols.rec, s.source)
    this.diff = sums.baseTotal !== null
    const now = this.diff ? unit / graphs.seconds(s.selection) : unit, before = unit / graphs.seconds(s.baseline)
    this.rows = Array.from(sums.symbol, (symbol, i) => ({
      symbol, name: boxName(symbols, symbol), place: symbols.file(symbol) ? fileLine({ function: '', file: symbols.file(symbol), line: null }) : '',
      self: sums.self[i]! * now, total: sums.total[i]! * now, change: this.diff ? sums.total[i]! * now - sums.baseTotal![i]! * before : 0,
    }))
    this.make()
  }

  filter(text: string): void {
    if (text === this.text) return
    this.text = text
    this.table?.setRows(this.wanted())
  }

  private wanted(): Row[] {
    const text = this.text.toLowerCase()
    const some = this.rows.filter((r) => `${r.name} ${r.place}`.toLowerCase().includes(text))
    return some.length ? some : this.rows
  }

  private make(): void {
    const time = (ns: number) => (this.diff ? perSecond(ns) : duration(ns))
    const had = this.table
    this.table = new Table<Row>({
      label: 'Functions',
      columns: [
        { title: 'Function', wide: true, value: (r) => r.name, cell: (r) => el('bdi', r.name) },
        { title: 'File', value: (r) => r.place, cell: (r) => el('bdi.quiet', r.place) },
        { title: 'Self', number: true, value: (r) => r.self, text: (r) => (r.self ? time(r.self) : '') },
        { title: 'Total', number: true, value: (r) => r.total, text: (r) => time(r.total) },
        ...(this.diff ? [{ title: 'Change', number: true, value: (r: Row) => r.change, text: (r: Row) => `${r.change > 0 ? '+' : r.change < 0 ? '−' : ''}${time(abs(r.change))}` }] : []),
      ],
      sort: '-Self', empty: 'no functions', key: (r) => r.symbol, open: (r) => this.choose(r.symbol), selected: (r) => r.symbol === this.chosen,
    })
    if (had) had.element.replaceWith(this.table.element)
    else this.element.append(this.table.element)
    this.table.setRows(this.wanted())
  }
}
