/* What `gilscope report -o` does with files, and what stands in the page without its script. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'

const B = resolve(process.env.B ?? 'build/release')
const dir = mkdtempSync(join(tmpdir(), 'gilscope-report-'))
after(() => rmSync(dir, { recursive: true }))

function run(program: string, ...args: string[]) {
  const r = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28 })
  return { code: r.status, out: r.stdout, err: r.stderr }
}

function recording(name: string): string {
  const file = join(dir, `${name}.gilscope`)
  if (!existsSync(file)) assert.equal(run(join(B, 'tests/golden/report/make_recording'), `tests/golden/report/cases/${name}.rows`, file).code, 0)
  return file
}

const report = (...args: string[]) => run(join(B, 'gilscope'), 'report', ...args)

test('the ending chooses the format, the file is ours alone', () => {
  const file = recording('convoy')
  for (const [name, begins] of [['a.html', '<!doctype html>'], ['a.json', '{'], ['a.txt', '\n']] as const) {
    const path = join(dir, name)
    assert.equal(report(file, '-o', path).code, 0)
    assert.ok(readFileSync(path, 'utf8').startsWith(begins) || name === 'a.txt', name)
    assert.equal(statSync(path).mode & 0o777, 0o600)
  }
  assert.equal(report(file, '-o', join(dir, 'a.html')).code, 0, 'again over the old one')
  assert.equal(report(file, '--format', 'html', '-o', '-').out, readFileSync(join(dir, 'a.html'), 'utf8'))
})

test('nothing is written through a link, over a recording or into what is no file; nothing is left behind', () => {
  const file = recording('convoy')
  const place = join(dir, 'place')
  mkdirSync(place)
  writeFileSync(join(dir, 'precious'), 'mine')
  symlinkSync(join(dir, 'precious'), join(place, 'link.html'))
  mkdirSync(join(place, 'dir.html'))
  assert.match(report(file, '-o', join(place, 'link.html')).err, /symbolic link/)
  assert.match(report(file, '-o', join(place, 'dir.html')).err, /directory/)
  assert.match(report(file, '-o', file, '--format', 'html').err, /recording/)
  assert.match(report(file, '-o', join(place, 'none', 'x.html')).err, /directory does not exist/)
  assert.equal(readFileSync(join(dir, 'precious'), 'utf8'), 'mine')
  assert.deepEqual(readdirSync(place).sort(), ['dir.html', 'link.html'])
})

test('a file that is no recording gives exit 4 and no page', () => {
  const path = join(dir, 'no.html')
  writeFileSync(join(dir, 'no.gilscope'), 'nothing')
  assert.equal(report(join(dir, 'no.gilscope'), '-o', path).code, 4)
  assert.ok(!existsSync(path))
})

test('cut and overwritten recordings give exit 4 or a whole page', () => {
  const whole = readFileSync(recording('two_processes'))
  const broken = join(dir, 'broken.gilscope')
  const path = join(dir, 'broken.html')
  let refused = 0
  for (let i = 0; i < 60; i++) {
    const bytes = Buffer.from(whole.subarray(0, i % 3 ? whole.length : Math.floor((whole.length * (i + 1)) / 61)))
    if (i % 3) for (let k = 0; k < 40; k++) bytes[100 + ((i * 7919 + k * 104729) % (bytes.length - 100))] ^= 1 << ((i + k) % 8)
    writeFileSync(broken, bytes)
    rmSync(path, { force: true })
    const { code } = report(broken, '-o', path)
    assert.ok(code === 4 || code === 0, `exit ${code} at ${i}`)
    refused += code === 4 ? 1 : 0
    assert.equal(existsSync(path), code === 0)
    if (code === 0) assert.ok(readFileSync(path, 'utf8').endsWith('</html>\n'))
  }
  assert.ok(refused > 20)
})

test('the policy allows this script and this style, and nothing else', () => {
  const html = report(recording('convoy'), '--format', 'html', '-o', '-').out
  const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)![1]!
  const scripts = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)]
  const styles = [...html.matchAll(/<style>([\s\S]*?)<\/style>/g)]
  assert.equal(scripts.length, 1)
  assert.equal(styles.length, 1)
  assert.ok(policy.includes(`script-src ${hash(scripts[0]![1]!)};`))
  assert.ok(policy.includes(`style-src ${hash(styles[0]![1]!)};`))
  assert.ok(policy.startsWith("default-src 'none';"))
  assert.ok(!/(?:src|href)="?https?:/.test(html.slice(0, html.indexOf('<style>'))))
})

/* The elements of the static part do not depend on names. */
test('hostile names change no element', () => {
  const html = report(recording('hostile'), '--format', 'html', '-o', '-').out
  const part = html.slice(html.indexOf('<main'), html.indexOf('</main>'))
  const tags = new Set([...part.matchAll(/<\/?([a-zA-Z!][^\s>/]*)/g)].map((m) => m[1]!))
  const known = ['main', 'h1', 'h2', 'h3', 'p', 'noscript', 'section', 'ol', 'ul', 'li', 'strong', 'svg', 'title', 'defs', 'pattern', 'rect', 'path', 'text',
    'table', 'caption', 'thead', 'tbody', 'tr', 'th', 'td', 'code', 'b', 'br']
  assert.deepEqual([...tags].filter((t) => !known.includes(t)), [])
  assert.ok(!/\son\w+\s*=|style=|javascript:/i.test(part.replace(/>[^<]*</g, '><')))
  for (const tag of ['table', 'section', 'svg', 'ol', 'td', 'tr']) {
    const open = part.match(new RegExp(`<${tag}[\\s>]`, 'g'))?.length ?? 0
    assert.equal(part.match(new RegExp(`</${tag}>`, 'g'))?.length ?? 0, open, tag)
  }
})
