/* Columns out of the page's data block; the format is written by ../../columns.c and described in ../../columns.h.
 * Everything is done in slices, between which the page can breathe (breathe.ts): a report may be large. */
import { f64, min, u8 } from './math'
import { breathe } from './breathe'
import type { Directory } from './wire'

/* The text of a block; from the document, or from a file in tests. */
export type Source = (name: string) => string

const CHUNK = 65536
const SLICE = 1 << 20 /* of base64, a multiple of four */

/* Base64 of raw deflate to bytes; more than `bytes` is an error, so that nothing can blow up in memory. */
export async function inflate(base64: string, bytes: number): Promise<Uint8Array> {
  const stream = new DecompressionStream('deflate-raw')
  const writer = stream.writable.getWriter()
  const reader = stream.readable.getReader()
  const result = u8(bytes)
  let n = 0
  const reading = (async () => {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      if (n + value.length > bytes) throw new Error('a data block is longer than it says')
      result.set(value, n)
      n += value.length
    }
  })()
  const writing = (async () => {
    for (let at = 0; at < base64.length; at += SLICE) {
      const text = atob(base64.slice(at, at + SLICE))
      const part = u8(text.length)
      for (let i = 0; i < text.length; i++) part[i] = text.charCodeAt(i)
      await writer.write(part)
      await breathe()
    }
    await writer.close()
  })()
  await Promise.all([reading, writing])
  if (n !== bytes) throw new Error('a data block is cut off')
  return result
}

export class Table {
  readonly columns = new Map<string, Float64Array>()
  constructor(readonly rows: number) {}

  /* A column, all zero where the file has none of that name. */
  get(name: string): Float64Array {
    return this.columns.get(name) ?? f64(this.rows)
  }
}

function chunk(bytes: Uint8Array, at: number, out: Float64Array, row: number, n: number): number {
  const planes = bytes[at++]
  if (planes > 7 || at + planes * n > bytes.length) throw new Error('a column is damaged')
  /* most columns have one to three planes: those in one go */
  const b = at + n
  const c = b + n
  if (planes === 1) for (let i = 0; i < n; i++) out[row + i] = bytes[at + i]
  else if (planes === 2) for (let i = 0; i < n; i++) out[row + i] = bytes[at + i] | (bytes[b + i] << 8)
  else if (planes > 2) for (let i = 0; i < n; i++) out[row + i] = bytes[at + i] | (bytes[b + i] << 8) | (bytes[c + i] << 16)
  let scale = 1 << 24
  for (let p = 3; p < planes; p++, scale *= 256) for (let i = 0, from = at + p * n; i < n; i++) out[row + i] += bytes[from + i] * scale
  return at + planes * n
}

function decode(out: Float64Array, code: string): void {
  if (code === 'u') return
  let last = 0
  for (let i = 0; i < out.length; i++) {
    const v = out[i]
    const signed = v % 2 ? -(v + 1) / 2 : v / 2
    out[i] = code === 'd' ? (last += signed) : signed
  }
}

export async function readTable(source: Source, directory: Directory, name: string): Promise<Table> {
  const block = directory.blocks[name]
  const rows = block?.rows ?? 0
  const table = new Table(rows)
  if (!block || !block.columns || !(rows >= 0 && rows <= 1e8)) return table
  const bytes = await inflate(source(name), block.bytes)
  let at = 0
  for (const [column, code] of block.columns) {
    const out = f64(rows)
    for (let row = 0; row < rows; row += CHUNK) at = chunk(bytes, at, out, row, min(CHUNK, rows - row))
    decode(out, code)
    table.columns.set(column, out)
    await breathe()
  }
  return table
}

export async function readText(source: Source, directory: Directory, name: string): Promise<string> {
  const block = directory.blocks[name]
  return block ? new TextDecoder().decode(await inflate(source(name), block.bytes)) : 'null'
}
