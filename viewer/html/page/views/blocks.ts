/* The pieces that several views show: two stacks side by side, the list of waits behind a pair. */
import type { PairDetail, PairSums } from '../data/aggregate'
import { lines, UNSEEN } from '../data/aggregate'
import type { Recording } from '../data/recording'
import { HolderState, WaitEnd } from '../data/recording'
import { el, on } from '../ui/dom'
import { duration, framePlace, lockName, moment, percent, place, printable, threadName, threadNames } from '../ui/format'
import { StackList } from '../ui/stack'
import { Table, numbers } from '../ui/table'
import type { Page } from '../view'
import { showWait } from './findings'

/* Less of a pair's time is not worth a word. */
const STATE_TOLD = 0.05

export function linePlace(rec: Recording, line: number): ReturnType<typeof framePlace> | null {
  return line && line !== UNSEEN ? framePlace(rec, lines(rec).frame[line]!) : null
}

export function lineText(rec: Recording, line: number): string {
  return line === UNSEEN ? '(holder not seen)' : place(linePlace(rec, line))
}

function blockedText(rec: Recording, nr: number): string {
  if (!nr) return 'asleep outside a system call'
  const name = printable(rec.syscalls[nr - 1] ?? '')
  return name ? `asleep in ${name}()` : `asleep in system call ${nr - 1}`
}

/* "91 % running, 8.6 % without a CPU": what the holder did meanwhile. */
export function meanwhile(rec: Recording, pair: PairSums, detail: PairDetail): string {
  const said: string[] = []
  const order = [HolderState.Blocked, HolderState.Running, HolderState.Preempted, HolderState.Unknown]
  for (const state of order) {
    const share = pair.byState[state]! / (pair.ns || 1)
    if (share < STATE_TOLD || (state === HolderState.Unknown && !detail.holders.length)) continue
    const text = { [HolderState.Running]: 'running', [HolderState.Preempted]: 'without a CPU', [HolderState.Unknown]: 'state not seen',
      [HolderState.Blocked]: blockedText(rec, detail.nr) }[state]!
    said.push(share < 1 - STATE_TOLD ? `${percent(share)} ${text}` : text)
  }
  return said.join(', ')
}

function side(rec: Recording, kind: 'waiter' | 'holder', who: string, line: number, stack: number, open: boolean): HTMLElement {
  const at = linePlace(rec, line)
  const lead = el('div.side-line')
  if (line === UNSEEN) lead.append(el('span.quiet', '(holder not seen)'))
  else if (!at) lead.append(el('span.quiet', '(no Python stack)'))
  else lead.append(el('b', place({ ...at, file: '', line: null }) || '(unreadable code)'), ' ', el('bdi.mono', place({ ...at, function: '' }).replace(/^ ?\(|\)$/g, '')))
  const frames = el('details.side-stack', { open }, el('summary', 'Stack'))
  const fill = () => { if (frames.open && frames.children.length === 1) frames.append(new StackList(rec, stack).element) }
  on(frames, 'toggle', fill)
  if (open) fill()
  return el('div', { class: `side ${kind}` }, el('div.side-who', { title: who }, who), lead, stack ? frames : null)
}

/* Waiter left, holder right; of the two functions or lines the costliest stacks. */
export function twoSides(rec: Recording, pair: PairSums, detail: PairDetail, open: boolean, ofThreads = false): HTMLElement {
  const l = lines(rec)
  const waiters = detail.waiters.length ? `${threadNames(rec, detail.waiters)} wait${detail.waiters.length > 1 ? '' : 's'}` : 'short waits that were only counted'
  const lock = lockName(rec, pair.lock)
  const holders = detail.holders.length ? `${threadNames(rec, detail.holders)} hold${detail.holders.length > 1 ? '' : 's'} the ${lock}` : `somebody holds the ${lock}`
  const waiter = l.ofStack[detail.waiterStack] || (ofThreads ? 0 : pair.waiter)
  const holder = pair.holder === UNSEEN ? UNSEEN : l.ofStack[detail.holderStack] || (ofThreads ? 0 : pair.holder)
  return el('div.sides', side(rec, 'waiter', waiters, waiter, detail.waiterStack, open),
    el('div.sides-arrow', { label: 'waits for', role: 'img' }, '→'), side(rec, 'holder', holders, holder, detail.holderStack, open))
}

const ENDS: { [end: number]: string } = {
  [WaitEnd.Voluntary]: 'given freely', [WaitEnd.Forced]: 'taken by force', [WaitEnd.Unfinished]: 'unfinished', [WaitEnd.GaveUp]: 'gave up',
  [WaitEnd.Unknown]: 'not seen',
}

/* Waits, longest first; each opens on the timeline.  ns is the part that is meant. */
export function waitTable(page: Page, label: string): Table<{ row: number; ns: number }> {
  const rec = page.rec
  const w = rec.waits
  return new Table({
    label, sort: '-of it here', empty: 'No recorded wait.', key: (r) => r.row,
    open: (r) => page.store.set(showWait(rec, r.row)),
    columns: [
      { title: 'at', help: 'Begin of the wait; a click shows it on the timeline', value: (r) => w.t0[r.row]!, text: (r) => moment(w.t0[r.row]!, 1e5) },
      { title: 'waiter', value: (r) => threadName(rec.threads[w.thread[r.row]!]) },
      numbers('of it here', (r) => r.ns, duration, 'The part of the wait that is meant here'),
      numbers('whole wait', (r) => w.t1[r.row]! - w.t0[r.row]!, duration),
      { title: 'end', value: (r) => ENDS[w.end[r.row]!] ?? '' },
      numbers('wake-up', (r) => w.wakeLatency[r.row]!, duration, 'From being woken to running'),
    ],
  })
}
