/* The credits of every wait, worked out from the pieces of the holds that overlap it, as core/timeline/credit.c made them;
 * then the differences that the file tells are added, so that the result is what was recorded. ../../pieces.h says why. */
import { f64, i32, max, min, u32, u8 } from './math'
import { breathe } from './breathe'
import type { Table } from './columns'
import { type Credits, type Holds, NONE, type Waits } from './recording'

export interface Pieces {
  first: Uint32Array /* of a hold, in the columns below; one more */
  ns: Float64Array
  state: Uint8Array
  nr: Uint16Array
  stack: Uint32Array
}

const NOBODY = 3 /* HolderState.Unknown */

/* Growing columns.  Room that is not written to costs next to nothing, copying does. */
class Rows {
  n = 0
  holder: Uint32Array
  state: Uint8Array
  nr: Uint16Array
  stack: Uint32Array
  ns: Float64Array

  constructor(room: number) {
    this.holder = u32(room)
    this.state = u8(room)
    this.nr = new Uint16Array(room)
    this.stack = u32(room)
    this.ns = f64(room)
  }

  private grow(): void {
    const more = <T extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(old: T): T => {
      const next = new (old.constructor as new (n: number) => T)(old.length * 2)
      next.set(old as never)
      return next
    }
    this.holder = more(this.holder)
    this.state = more(this.state)
    this.nr = more(this.nr)
    this.stack = more(this.stack)
    this.ns = more(this.ns)
  }

  push(holder: number, state: number, nr: number, stack: number, ns: number): void {
    if (this.n === this.holder.length) this.grow()
    this.holder[this.n] = holder
    this.state[this.n] = state
    this.nr[this.n] = nr
    this.stack[this.n] = stack
    this.ns[this.n++] = ns
  }

  done(): Credits {
    const n = this.n
    return {
      n, holder: this.holder.subarray(0, n), state: this.state.subarray(0, n), nr: this.nr.subarray(0, n), stack: this.stack.subarray(0, n),
      ns: this.ns.subarray(0, n),
    }
  }
}

/* Adds up what is equal within one wait: a hash of the rows since `from`. */
class Sums {
  private readonly slots = i32(4096)
  private readonly used: number[] = []
  private from = 0
  constructor(private readonly rows: Rows) {}

  start(): void {
    for (const at of this.used) this.slots[at] = 0
    this.used.length = 0
    this.from = this.rows.n
  }

  add(holder: number, state: number, nr: number, stack: number, ns: number): void {
    const { rows, slots } = this
    if (rows.n - this.from > 2048) { /* a wait of absurdly many credits: equal ones stay apart */
      rows.push(holder, state, nr, stack, ns)
      return
    }
    let at = (Math.imul(holder, 0x9e3779b1) ^ Math.imul(stack, 0x85ebca6b) ^ Math.imul(nr * 4 + state, 0xc2b2ae35)) >>> 20
    for (; slots[at]; at = (at + 1) & 4095) {
      const i = this.from + slots[at] - 1
      if (rows.holder[i] === holder && rows.stack[i] === stack && rows.state[i] === state && rows.nr[i] === nr) {
        rows.ns[i] += ns
        return
      }
    }
    rows.push(holder, state, nr, stack, ns)
    slots[at] = rows.n - this.from
    this.used.push(at)
  }

  /* Those that became nothing go. */
  finish(): void {
    const { rows } = this
    let kept = this.from
    for (let i = this.from; i < rows.n; i++) {
      if (!(rows.ns[i] > 0)) continue
      rows.holder[kept] = rows.holder[i]
      rows.state[kept] = rows.state[i]
      rows.nr[kept] = rows.nr[i]
      rows.stack[kept] = rows.stack[i]
      rows.ns[kept++] = rows.ns[i]
    }
    rows.n = kept
  }
}

/* The last hold of [from, to) that begins at or before t. */
function firstHold(holds: Holds, from: number, to: number, t: number): number {
  let low = from
  let high = to
  while (low < high) {
    const mid = (low + high) >>> 1
    if (holds.t0[mid] <= t) low = mid + 1
    else high = mid
  }
  return low > from ? low - 1 : low
}

function addWait(sums: Sums, waits: Waits, w: number, holds: Holds, range: [number, number], pieces: Pieces): void {
  const t1 = waits.t1[w]
  let a = waits.t0[w]
  for (let h = firstHold(holds, range[0], range[1], a); h < range[1] && holds.t0[h] < t1; h++) {
    const from = max(holds.t0[h], a)
    const to = min(holds.t1[h], t1)
    if (to <= from || holds.thread[h] === waits.thread[w]) continue
    if (from > a) sums.add(NONE, NOBODY, 0, 0, from - a)
    a = to
    let at = holds.t0[h]
    for (let k = pieces.first[h]; k < pieces.first[h + 1] && at < to; k++) {
      const end = at + pieces.ns[k]
      const ns = min(end, to) - max(at, from)
      if (ns > 0) sums.add(holds.thread[h], pieces.state[k], pieces.nr[k], pieces.stack[k], ns)
      at = end
    }
  }
  if (t1 > a) sums.add(NONE, NOBODY, 0, 0, t1 - a)
}

/* lockHolds: the holds of each lock.  Fills waits.credits. */
export async function creditsOf(waits: Waits, holds: Holds, lockHolds: [number, number][], pieces: Pieces, deltas: Table, ids: {
  holder: Uint32Array; stack: Uint32Array
}): Promise<Credits> {
  const rows = new Rows(max(1 << 16, min(1 << 22, waits.n * 16)))
  const sums = new Sums(rows)
  const wait = deltas.get('wait')
  const state = deltas.get('state')
  const nr = deltas.get('nr')
  const ns = deltas.get('ns')
  let d = 0
  for (let w = 0; w < waits.n; w++) {
    const range = lockHolds[waits.lock[w]]
    sums.start()
    addWait(sums, waits, w, holds, range ?? [0, 0], pieces)
    for (; d < deltas.rows && wait[d] <= w; d++)
      if (wait[d] === w) sums.add(ids.holder[d], state[d] & 3, nr[d] & 0xffff, ids.stack[d], ns[d])
    sums.finish()
    waits.credits[w + 1] = rows.n
    if (w % 4096 === 0) await breathe()
  }
  return rows.done()
}
