/* How long the timeline's sums take in node: 1,000,000 intervals of 32 threads.  Not part of the tests, since it is about time:
 *     cd viewer/html && npx esbuild ../../tests/page/timeline.bench.ts --bundle --platform=node --format=esm --outfile=/tmp/bench.mjs && node /tmp/bench.mjs
 * Fails when the median of the builds is over the budget. */
import { CHANNELS, Pyramids } from '../../viewer/html/page/data/pyramid'
import { holderColors } from '../../viewer/html/page/views/timeline/colors'
import { threadTotals } from '../../viewer/html/page/views/timeline/lanes'
import { synthetic } from './synthetic'

const BUDGET_MS = 110
const ROUNDS = 7
const WIDTH = 1600

const rec = synthetic({ threads: 32, intervals: 1e6, seed: 1, locks: 2 })
const rgb = holderColors(rec.threads.length)

function times(run: () => void): { first: string; median: string } {
  const ms: number[] = []
  for (let i = 0; i < ROUNDS; i++) {
    const from = performance.now()
    run()
    ms.push(performance.now() - from)
  }
  const first = ms[0]!
  ms.sort((a, b) => a - b)
  return { first: first.toFixed(1), median: ms[ROUNDS >> 1]!.toFixed(1) }
}

let pyramids = new Pyramids(rec, rgb)
const build = times(() => { pyramids = new Pyramids(rec, rgb) })
const out = new Float32Array(WIDTH * CHANNELS)
const cover = (share: number) => times(() => {
  const span = rec.durationNs * share
  for (let t = 0; t < rec.threads.length; t++) pyramids.addThread(t, { from: rec.durationNs * 0.3 * (1 - share), pixelNs: span / WIDTH, width: WIDTH }, out.fill(0), true)
})
console.log(`${rec.intervals.n} intervals, milliseconds, first and median of ${ROUNDS}`)
console.log('pyramids', build, 'budget', BUDGET_MS)
console.log('totals of threads', times(() => { threadTotals(rec) }))
for (const share of [1, 0.3, 0.1, 0.01]) console.log(`coverage of all lanes, ${share * 100} % visible`, cover(share))
if (Number(build.median) > BUDGET_MS) process.exitCode = 1
