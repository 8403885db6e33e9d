/* The first thing one sees: what is wrong, how bad it is, and which two lines are to blame. */
import type { LockSums, PairDetail, PairSums, Sums } from '../data/aggregate'
import { filterOf, lines, pairDetails, sums, UNSEEN } from '../data/aggregate'
import type { Recording } from '../data/recording'
import type { Key } from '../state'
import { clear, el, style } from '../ui/dom'
import { bytes, count, counted, duration, lockName, percent, place, printable, processName, range, rate, threadName } from '../ui/format'
import { View } from '../view'
import { linePlace, meanwhile, twoSides } from './blocks'
import type { Told } from './findings'
import { gravest, processRow, severityMark, showPlace, showWait } from './findings'

const PAIRS_SHOWN = 4 /* beside the worst */
const SURE: { [certainty: string]: string } = {
  measured: 'measured: seen by the kernel, exact', inferred: 'inferred: concluded from what was seen before and after',
  sampled: 'sampled: estimated from samples',
}

/* The GIL most waited for. */
function worstGil(rec: Recording, all: LockSums[]): LockSums | null {
  const gils = all.filter((s) => rec.locks[s.lock]!.kind === 'gil')
  return gils.sort((a, b) => b.waitNs - a.waitNs || b.heldNs - a.heldNs)[0] ?? null
}

function known(pair: PairSums): boolean {
  return pair.waiter !== 0 || (pair.holder !== 0 && pair.holder !== UNSEEN)
}

interface Shown { pair: PairSums; detail: PairDetail }

/* The first whose lines are known, both if there is one; then the costliest others. */
function shownPairs(all: Sums): Shown[] {
  const pairs = all.pairs('function').filter(known)
  const worst = pairs.find((p) => p.holder !== UNSEEN) ?? pairs[0]
  if (!worst) return []
  const shown = [worst, ...pairs.filter((p) => p !== worst).slice(0, PAIRS_SHOWN)]
  const details = pairDetails(all.rec, all.filter, 'function', shown, 1)
  return shown.map((pair, i) => ({ pair, detail: details[i]! }))
}

export class Overview extends View {
  readonly id = 'overview' as const
  readonly title = 'Overview'

  protected build(): void {
    this.draw()
  }

  update(changed: ReadonlySet<Key>): void {
    if (['selection', 'process', 'thread', 'lock', 'view'].some((k) => changed.has(k as Key))) this.draw()
  }

  private draw(): void {
    const s = this.s
    const rec = this.rec
    const all = sums(rec, filterOf(s))
    clear(this.host)
    const [worst, ...others] = shownPairs(all)
    const box = el('div.overview', ...this.cautions(), this.verdict(all, worst), this.figures(all),  this.findings(s.process))
    const pairs = this.pairs(all, worst, others)
    if (pairs) box.append(pairs)
    box.append(this.recording())
    this.host.append(box)
  }

  /* What kind of numbers these are, when they are not what was measured of everything. */
  private cautions(): (HTMLElement | null)[] {
    const { facts, reduced } = this.rec
    return [
      ...facts.processes.filter((p, i) => p.estimated && [null, processRow(this.rec, p, i)].includes(this.s.process)).map((p) => {
        const { looks } = p
        const said = looks ? `: ${count(looks.n)} looks, half of them within ${duration(looks.distance_p50_ns)}, 99 % within ${duration(looks.distance_p99_ns)}, so every begin and end is off by as much; ` +
          `${count(looks.handoffs_unseen)} of ${count(looks.handoffs)} hand-offs of the GIL fell between two looks, waits and holds shorter than that are mostly unseen` : ''
        return el('p.caution', el('b', 'Estimates'), ` Every number of ${facts.processes.length > 1 ? `${printable(p.name)} (${p.pid})` : 'this process'} is one, sampled by the ${printable(p.collector)} collector${said}.`)
      }),
      reduced && el('p.caution', reduced.note),
    ]
  }

  private scope(): string {
    const { selection } = this.s
    return selection ? `In the selection (${range(selection.t0, selection.t1)})` : ''
  }

  /* One or two sentences: how full, who waits, and the worst pair of lines. */
  private verdict(all: Sums, worst: Shown | undefined): HTMLElement {
    const rec = this.rec
    const gil = worstGil(rec, all.locks)
    const scope = this.scope()
    const box = el('section.verdict', { label: 'Verdict' })
    if (!gil || gil.waits === 0) {
      const free = rec.facts.processes.every((p) => p.free_threaded) && rec.facts.processes.length > 0
      const known = rec.processes.some((p) => p.runtime)
      box.append(el('p.verdict-line', free ? 'This interpreter runs without a GIL.' : !known ? 'No Python interpreter was seen.' :
        `${scope ? `${scope}: nobody` : 'Nobody'} waited for the GIL${gil && gil.utilisation > 0 ? `; it was held ${percent(gil.utilisation)} of the time` : ''}.`))
      return box
    }
    const waiting = all.spanNs > 0 ? gil.waitNs / all.spanNs : 0
    const n = waiting.toFixed(1)
    const lock = all.locks.filter((l) => rec.locks[l.lock]!.kind === 'gil').length > 1 ? lockName(rec, gil.lock) : 'GIL'
    const line = el('p.verdict-line')
    const start = scope ? `${scope}, the ${lock} is` : `The ${lock} is`
    const { thread } = this.s
    line.append(`${start} held `, el('b', percent(gil.utilisation)), ' of the time, and ')
    if (thread !== null) line.append(`${threadName(rec.threads[thread])} waits for it `, el('b', percent(waiting)), ' of the time.')
    else line.append(waiting >= 0.05 ? el('b', `${n} thread${n === '1.0' ? '' : 's'}`) : 'hardly anybody',
      waiting >= 0.05 ? ` on average ${n === '1.0' ? 'waits' : 'wait'} for it.` : ' waits for it.')
    box.append(line)
    if (worst) box.append(this.worstLine(all, worst.pair, worst.detail), this.pair(worst.pair, worst.detail, this.total(all)))
    return box
  }

  private total(all: Sums): number {
    return all.pairs('function').reduce((ns, p) => ns + p.ns, 0)
  }

  private worstLine(all: Sums, pair: PairSums, detail: PairDetail): HTMLElement {
    const rec = this.rec
    const l = lines(rec)
    const at = (line: number, none: string) => el('bdi.code', linePlace(rec, line) ? place(linePlace(rec, line)) : none)
    const total = this.total(all)
    const first = all.pairs('function')[0] === pair
    const most = pair.ns > total / 2 ? 'Most of the waiting, ' : first ? 'The largest part of the waiting, ' : 'The largest part of it with a holder that was seen, '
    return el('p.verdict-line', most, el('b', `${percent(pair.ns, total)}`), ` (${duration(pair.ns)}), is `,
      at(l.ofStack[detail.waiterStack] || pair.waiter, 'code without a Python stack'), ' waiting for ',
      pair.holder === UNSEEN ? 'a holder that was not seen' : at(l.ofStack[detail.holderStack] || pair.holder, 'code without a Python stack'), '.')
  }

  private figures(all: Sums): HTMLElement {
    const rec = this.rec
    const gils = all.locks.filter((l) => rec.locks[l.lock]!.kind === 'gil')
    const gil = worstGil(rec, all.locks)
    const seconds = all.spanNs / 1e9 || 1
    const waitNs = gils.reduce((n, l) => n + l.waitNs, 0)
    const forced = gils.reduce((n, l) => n + l.forced, 0)
    const handoffs = gils.reduce((n, l) => n + l.handoffs, 0)
    const r = rec.facts.recording
    const own = r.own?.cpu_ns ?? null
    const figure = (name: string, value: string, more: string, help: string, level = '') =>
      el('div', { class: `figure ${level}`, title: help }, el('dt', name), el('dd', el('span.value', value), el('span.more', more)))
    const used = gil?.utilisation ?? NaN
    const about = gil?.about ? '~' : ''
    return el('section', { label: 'Key figures' }, el('dl.figures',
      figure('GIL held', Number.isNaN(used) ? '-' : percent(used), gils.length > 1 ? `the worst of ${gils.length} GILs` : 'of the time', 'Share of the time in which some thread held the GIL',
        used >= 0.9 && waitNs / all.spanNs > 0.2 ? 'bad' : ''),
      figure('Waiting', `${(waitNs / 1e9 / seconds).toFixed(2)}`, `thread-s per s${gils.length > 1 ? ', all GILs' : ''}, ${duration(waitNs)} in all`, 'Thread-seconds spent waiting for the GIL in each second: the mean number of waiting threads'),
      figure('p99 wait', gil?.waits ? about + duration(gil.p99) : '-', gil?.waits ? `half over ${about}${duration(gil.p50)}, longest ${duration(gil.max)}` : 'no waits', `One wait in a hundred is longer than this${about && '; short waits were only counted, their mean stands for them'}`),
      figure('Forced hand-offs', rate(forced / seconds), `${percent(forced, handoffs)} of ${rate(handoffs / seconds)}`, 'Hand-offs that a waiter demanded after a switch interval'),
      figure('Lost', r.lost_events ? count(r.lost_events) : 'nothing', r.lost_events ? 'events: numbers are too low' : 'all events were kept', 'Events that could not be kept', r.lost_events ? 'bad' : ''),
      figure('Own cost', own === null ? '-' : percent(own, r.duration_ns), own === null ? 'not measured' : `of one CPU, ${r.own?.max_rss_bytes ? bytes(r.own.max_rss_bytes) : '-'}`, 'What gilscope itself used while it recorded')))
  }

  private findings(process: number | null): HTMLElement {
    const told = gravest(this.rec, process)
    const s = this.s
    return el('section.findings', { label: 'Findings' },
      el('div.section-head', el('h2', 'Findings'), el('span.quiet', s.selection || s.thread !== null ? 'of the whole recording; what each costs, and how sure it is' : 'what each costs, and how sure it is')),
      told.length ? el('ol', ...told.map((t) => this.finding(t))) : el('p.quiet', 'Nothing worth a word.'))
  }

  private finding({ process, finding: f }: Told): HTMLElement {
    const rec = this.rec
    const cost = f.wait_ns === null || f.wait_ns === undefined ? null : `${f.certainty === 'measured' ? '' : '~'}${duration(f.wait_ns)}`
    const share = f.share ? percent(f.share) : null
    const show = f.place ? el('button.plain', { on: { click: () => this.set(showPlace(rec, process, f.place!)) } }, 'Show on timeline') : null
    return el('li', { class: `finding ${f.severity}` }, severityMark(f.severity),
      el('div.finding-body', el('h3', el('bdi', f.title), rec.processes.length > 1 ? el('span.quiet', `  ${processName(rec, process)}`) : null),
        el('p', f.detail), el('p.advice', f.advice)),
      el('div.finding-cost', cost ? el('b', { title: 'Thread time lost' }, cost) : null,
        share ? el('span', `${share} of all waiting`) : null, el('span.sure', { title: SURE[f.certainty] ?? '' }, f.certainty), show))
  }

  private pairs(all: Sums, worst: Shown | undefined, shown: Shown[]): HTMLElement | null {
    const pairs = all.pairs('function')
    const total = this.total(all)
    if (!worst || !shown.length) return null
    const rest = pairs.length - shown.length - 1
    const restNs = total - worst.pair.ns - shown.reduce((n, p) => n + p.pair.ns, 0)
    return el('section.pairs', { label: 'Who waits for whom' },
      el('div.section-head', el('h2', 'Who else waits for whom'), el('span.quiet', 'waiter left, holder right; of each two functions the costliest lines')),
      ...shown.map((p) => this.pair(p.pair, p.detail, total)),
      rest > 0 ? el('button.link', { on: { click: () => this.set({ view: 'blame', matrix: 'functions' }) } }, `${counted(rest, 'more pair')}, ${duration(restNs)} in all: Who blocks whom`) : null)
  }

  private pair(pair: PairSums, detail: PairDetail, total: number): HTMLElement {
    const rec = this.rec
    const wait = detail.waits[0]
    const bar = el('span.share-bar', { decor: true })
    style(bar, '--share', `${(100 * pair.ns) / (total || 1)}%`)
    return el('div.pair', el('div.pair-head', bar, el('b', duration(pair.ns)), el('span', `${percent(pair.ns, total)} of all waiting, ${counted(pair.waits, 'wait')}`),
      el('span.quiet', meanwhile(rec, pair, detail) ? `holder meanwhile ${meanwhile(rec, pair, detail)}` : ''), el('span.grow'),
      wait ? el('button.plain', { on: { click: () => this.set(showWait(rec, wait.row)) } }, 'Longest on timeline') : null),
    twoSides(rec, pair, detail, false))
  }

  private recording(): HTMLElement {
    const rec = this.rec
    const r = rec.facts.recording
    const row = (name: string, text: string) => [el('dt', name), el('dd', text)]
    return el('section.about-recording', { label: 'About this recording' }, el('div.section-head', el('h2', 'About this recording')),
      el('dl', ...row('recorded', `${duration(r.duration_ns)}, ${printable(r.collector ?? 'unknown')} collector, gilscope ${printable(rec.facts.gilscope)}, ${r.complete ? 'complete' : 'NOT complete: it was cut off'}`),
        ...row('contents', `${counted(rec.intervals.n, 'interval')}, ${counted(rec.waits.n, 'wait')}, ${counted(rec.samples.n, 'sample')} of ${counted(rec.threads.length, 'thread')}`),
        ...row('stacks', r.torn_stacks || r.truncated_stacks ? `${count(r.torn_stacks)} readable only in part, ${count(r.truncated_stacks)} cut at the root` : 'all whole'),
        ...(r.levels.length > 1 ? row('detail', r.levels.map((l) => `level ${l.level} from ${duration(l.from_ns)} (${l.reason})`).slice(0, 6).join('; ')) : []),
        ...(r.notes.length ? row('notes', r.notes.join('\n')) : [])))
  }
}
