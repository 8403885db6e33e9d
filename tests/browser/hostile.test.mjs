/* Names that strangers chose: the element tree of the page is the same whatever they are, and nothing of them runs. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { CONVOY, TABS, fromRows, launch, open, tab, why } from './browser.mjs'

const skip = why
let browser

before(async () => {
  if (!skip) browser = await launch()
})
after(() => browser?.close())

const bytes = (text) => [...Buffer.from(text)].map((b) => `\\x${b.toString(16).padStart(2, '0')}`).join('')

/* Each takes the place of every name: thread, function, file, command, process, note. */
const NAMES = {
  script: '</script><script>window.owned = 1</script>',
  image: '<img src=x onerror="window.owned = 1">',
  style: '</style><style>*{display:none}</style>',
  title: '</title><h1>owned</h1>',
  attribute: '" autofocus onfocus="window.owned=1" x="',
  quote: "' onmouseover='window.owned=1",
  comment: '<!-- --><script>window.owned=1</script><!--',
  cdata: ']]><script>window.owned=1</script>',
  template: '${window.owned=1}{{constructor.constructor("window.owned=1")()}}',
  url: 'javascript:window.owned=1',
  svg: '<svg><animate onbegin=window.owned=1 attributeName=x></svg>',
  entity: '&lt;script&gt;&#x3c;b&gt;',
  rtl: '\u202egnp.exe\u2066',
  control: '\u0000\u0001\u001b[31mred\u0007\r\n\t',
  separators: '\u2028window.owned=1\u2029',
  proto: '__proto__',
  constructor: 'constructor',
  combining: 'a' + '\u0301'.repeat(200),
  long: 'x'.repeat(5000),
  regex: '/(((/',
  hash: '#1/flame?source=wait&thread=1',
}

const withName = (name) => CONVOY
  .replace(/name=(hog|api)/g, (_, who) => `name=${bytes(who === 'hog' ? name : `${name}2`)}`)
  .replace('name=python3', `name=${bytes(name)}`)
  .replace('command=app.py', `command=${bytes(name)}`)
  .replace('host=box', `host=${bytes(name)}`)
  .replace(/f=(handle|crunch|read_slowly)@([^:]*)/g, (_, f, file) => `f=${f}${bytes(name).replace(/\\x40/g, '')}@${file}${bytes(name).replace(/\\x3a/g, '')}`)

/* Tags in order, text and attributes left out. */
const skeleton = (page) => page.evaluate(() => {
  const walk = (e) => e.tagName + '(' + [...e.children].map(walk).join('') + ')'
  return walk(document.documentElement)
})

async function shapes(name) {
  const { html } = fromRows('hostile', withName(name))
  const page = await open(browser, html)
  const seen = {}
  for (const title of TABS) {
    await tab(page, title)
    seen[title] = await skeleton(page)
  }
  for (const hash of ['#1/timeline?focus=wait:0', '#1/flame?layout=sandwich']) {
    await page.evaluate((h) => { location.hash = h }, hash)
    await page.waitForTimeout(200)
    seen[hash] = await skeleton(page)
  }
  assert.deepEqual(page.sins, [])
  assert.equal(await page.evaluate(() => window.owned), undefined)
  await page.context().close()
  const still = await open(browser, html, { script: false })
  seen.static = await still.locator('*').evaluateAll((all) => all.map((e) => e.tagName).join(' '))
  await still.context().close()
  return seen
}

test('the tree of elements does not depend on names', { skip }, async (t) => {
  const plain = await shapes('plain')
  for (const [what, name] of Object.entries(NAMES))
    await t.test(what, async () => {
      const seen = await shapes(name)
      for (const where of Object.keys(plain)) assert.equal(seen[where], plain[where], `${what}, ${where}`)
    })
})
