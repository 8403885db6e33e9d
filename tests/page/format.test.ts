/* Numbers as core/util/human.c writes them, names as core/util/escape.c shows them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytes, count, counted, duration, moment, percent, place, printable, range, rate, shortPath } from '../../viewer/html/page/ui/format'

test('durations have three digits and a unit', () => {
  const said: [number, string][] = [[0, '0 ns'], [870, '870 ns'], [1000, '1.00 us'], [12345, '12.3 us'], [999400, '999 us'], [999500, '1.00 ms'], [5230000, '5.23 ms'],
    [9.996e6, '10.0 ms'], [999.6e6, '1.00 s'], [1.5e9, '1.50 s'], [99.99e9, '100 s'], [725e9, '12m 05s'], [3600e9 * 3 + 125e9, '3h 02m'], [NaN, '-'], [0.25, '<1 ns'],
    [-5e6, '-5.00 ms']]
  for (const [ns, text] of said) assert.equal(duration(ns), text)
})

test('counts, rates, shares, sizes', () => {
  assert.equal(count(12345678), '12,345,678')
  assert.equal(counted(1, 'wait'), '1 wait')
  assert.equal(counted(0, 'wait'), '0 waits')
  assert.equal(rate(0.01), '0/s')
  assert.equal(rate(3.21), '3.2/s')
  assert.equal(rate(5120.4), '5,120/s')
  assert.deepEqual([percent(0, 1), percent(0.0001, 1), percent(0.034, 1), percent(0.0996, 1), percent(0.62, 1), percent(1, 0)], ['0 %', '<0.1 %', '3.4 %', '10 %', '62 %', '-'])
  assert.deepEqual([bytes(12), bytes(12595), bytes(4194304)], ['12 B', '12.3 KiB', '4.00 MiB'])
})

test('moments differ where they are apart', () => {
  assert.equal(moment(1.2345e9, 1e9), '1.23 s')
  assert.notEqual(moment(1.2e9, 1000), moment(1.2e9 + 1000, 1000))
  assert.equal(moment(3725e9, 600e9), '1:02:05')
  assert.equal(moment(179.96e9, 10e9), '3:00.0')
  assert.equal(range(1e9, 1.5e9), '1.000 s – 1.500 s')
})

test('nothing invisible passes, everything visible does', () => {
  assert.equal(printable('naïve 名前 \\'), 'naïve 名前 \\')
  assert.equal(printable('a\u0000b\u001b[31m\n'), 'a\\x00b\\x1b[31m\\x0a')
  assert.equal(printable('\u202egpj.exe\u2066'), '\\u{202e}gpj.exe\\u{2066}')
  assert.equal(printable('\u200b\u{e0041}\ud800'), '\\u{200b}\\u{e0041}\\u{d800}')
  assert.ok(printable('x'.repeat(1e6)).length < 5000)
})

test('places', () => {
  assert.equal(shortPath('/a/b/c.py'), 'c.py')
  assert.equal(shortPath('/a/b/c.py', 2), 'b/c.py')
  assert.equal(shortPath('c.py'), 'c.py')
  assert.equal(shortPath('/a/'), 'a/')
  assert.equal(place({ function: 'f', file: '/x/y.py', line: 3 }), 'f (y.py:3)')
  assert.equal(place({ function: 'f', file: '/x/y.py', line: null }), 'f (y.py)')
  assert.equal(place({ function: '', file: '', line: null }), '(unreadable code)')
  assert.equal(place({ function: '0x7f', file: null, line: null }), '(unreadable code)')
  assert.equal(place(null), '(no Python stack)')
})
