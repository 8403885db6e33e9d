/* Bundles the page: page/main.ts and the styles it imports become built/page.js and built/page.css, which the program embeds, and
 * built/bundle.h with the hashes for the content security policy and the stamp of the inputs (scripts/check-bundle).
 *     node build.mjs [OUTDIR] */
import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { ownNames } from './names.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const out = process.argv[2] ?? join(here, 'built')
/* Bytes of our own code, minified: what was reached, so that it does not grow unnoticed.  The goal is 120 KB. */
const OWN_LIMIT = 200 * 1024

const common = { bundle: true, minify: true, write: false, metafile: true, legalComments: 'none', absWorkingDir: here, logLevel: 'warning' }
const { own: ownProps, edits } = ownNames(join(here, 'tsconfig.json'), join(here, 'page/main.ts'))
const mangleProps = new RegExp(`^(?:${ownProps.join('|')})$`)
const quoted = (path) => (edits.get(path) ?? []).reduce((text, [from, to, by]) => text.slice(0, from) + by + text.slice(to), readFileSync(path, 'utf8'))
const quotes = { name: 'quotes', setup: (b) => b.onLoad({ filter: /\.ts$/ }, ({ path }) => ({ contents: quoted(path), loader: 'ts' })) }
const js = await build({ ...common, entryPoints: ['page/main.ts'], format: 'iife', target: 'es2022', charset: 'utf8', outfile: 'page.js', mangleProps, plugins: [quotes] })

/* main.ts imports the style sheets it needs */
const text = (ending) => js.outputFiles.find((f) => f.path.endsWith(ending))?.text.trimEnd() ?? ''
const texts = { js: text('.js'), css: text('.css') }
if (/<\/script|<!--/i.test(texts.js) || /<\/style/i.test(texts.css)) throw new Error('the bundle would end its own element')

let own = 0
for (const output of Object.values(js.metafile.outputs))
  for (const [input, { bytesInOutput }] of Object.entries(output.inputs)) if (!input.includes('node_modules')) own += bytesInOutput
console.log(`own code ${own} of ${OWN_LIMIT} bytes; page.js ${texts.js.length}, page.css ${texts.css.length}`)
if (own > OWN_LIMIT) {
  console.error('the page is too large')
  process.exitCode = 1
}

const hash = (text) => createHash('sha256').update(text).digest('base64')
const stamp = execFileSync(join(here, '../../scripts/check-bundle'), ['--stamp'], { encoding: 'utf8' }).trim()
mkdirSync(out, { recursive: true })
writeFileSync(join(out, 'page.js'), texts.js)
writeFileSync(join(out, 'page.css'), texts.css)
writeFileSync(
  join(out, 'bundle.h'),
  `#pragma once
/* Made by build.mjs: what belongs to page.js and page.css beside it. */
#define BUNDLE_STAMP "${stamp}"
#define BUNDLE_OWN_BYTES ${own}
#define BUNDLE_JS_HASH "sha256-${hash(texts.js)}"
#define BUNDLE_CSS_HASH "sha256-${hash(texts.css)}"
`,
)
