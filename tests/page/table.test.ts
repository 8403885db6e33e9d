/* What a table shows, in which order, and which of many rows are drawn. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Column } from '../../viewer/html/page/ui/table'
import { compare, rowsInSight, sorted, tsv } from '../../viewer/html/page/ui/table'

const value = (r: Row) => r.v
interface Row { v: number | string; n?: string }
const of = (...values: (number | string)[]) => values.map((v): Row => ({ v }))

test('numbers by size, names by their numbers, what is not known last', () => {
  assert.deepEqual(sorted(of(3, NaN, 10, 1), { value }, true).map(value), [10, 3, 1, NaN])
  assert.deepEqual(sorted(of(3, NaN, 10, 1), { value }, false).map(value), [1, 3, 10, NaN])
  assert.deepEqual(sorted(of('worker-10', 'worker-9', 'api'), { value }, false).map(value), ['api', 'worker-9', 'worker-10'])
  assert.ok(compare('a', 'b') < 0)
})

test('equal rows keep their order either way', () => {
  const rows: Row[] = [{ v: 1, n: 'a' }, { v: 1, n: 'b' }, { v: 1, n: 'c' }]
  assert.deepEqual(sorted(rows, { value }, true).map((r) => r.n), ['a', 'b', 'c'])
  assert.deepEqual(sorted(rows, { value }, false).map((r) => r.n), ['a', 'b', 'c'])
})

test('a copy has one line a row, whatever the names', () => {
  interface Named { a: string; n: number }
  const columns: Column<Named>[] = [{ title: 'name', value: (r) => r.a }, { title: 'time', value: (r) => r.n, text: (r) => `${r.n} ms` }]
  assert.equal(tsv(columns, [{ a: 'x\ty\nz', n: 2 }, { a: '=1+1', n: 3 }]), 'name\ttime\nx y z\t2 ms\n=1+1\t3 ms\n')
})

test('rows in sight are drawn wherever the table stands', () => {
  for (const n of [201, 2000, 100000])
    for (const above of [-5000, -100, 0, 13, 2600, 51999, 26 * n - 700, 26 * n, 26 * n + 9999]) {
      const [from, to] = rowsInSight(above, 700, n)
      assert.ok(from >= 0 && from < to && to <= n, `${above} of ${n}: ${from}-${to}`)
      assert.ok(to - from < 80)
      const first = Math.floor(above / 26), last = Math.floor((above + 700) / 26)
      for (const row of [first, last]) if (row >= 0 && row < n) assert.ok(row >= from && row < to, `row ${row} at ${above} of ${n}: ${from}-${to}`)
    }
})
