/* Call trees that look like Python programs: some hundreds of distinct frames, stacks that share their callers. */
import type { Stacks } from '../../viewer/html/page/data/recording'

export interface Random { next(): number; below(n: number): number }

/* mulberry32 */
export function random(seed: number): Random {
  let a = seed >>> 0
  const next = () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  return { next, below: (n) => Math.floor(next() * n) }
}

const SHARED = 'threading.py:_bootstrap,_bootstrap_inner,run'
const ROOTS: Record<string, string[]> = {
  cpu: ['app/server.py:<module>,main', 'app/jobs.py:run_job,step', 'app/score.py:score_all,score,distance,normalise', 'app/tree.py:walk,visit,fold', 'json/decoder.py:decode,raw_decode', 're/__init__.py:sub,_compile'],
  io: [SHARED, 'socketserver.py:process_request_thread,finish_request,handle', 'http/client.py:getresponse,begin,_read_status', 'ssl.py:recv_into,read', 'requests/sessions.py:send,request,get', 'urllib3/connectionpool.py:urlopen,_make_request'],
  native: [SHARED, 'app/vision.py:resize,convolve,detect', 'numpy/core/fromnumeric.py:sum,_wrapreduction,dot', 'scipy/ndimage/_filters.py:gaussian_filter,correlate1d', 'zlib_wrap.py:compress,decompress'],
  logger: [SHARED, 'logging/__init__.py:info,_log,handle,callHandlers,emit,flush', 'logging/handlers.py:emit,shouldRollover,doRollover', 'app/audit.py:write_record,sync', 'sqlite3/dbapi2.py:execute,commit'],
  counted: [SHARED, 'app/ping.py:loop,ping,pong', 'queue.py:put,get,_qsize'],
  idle: [SHARED, 'concurrent/futures/thread.py:_worker', 'queue.py:get', 'threading.py:wait'],
}
const PER_KIND = 60

export class StackMaker {
  readonly strings: string[] = ['']
  private stringIds = new Map<string, number>([['', 0]])
  private frameIds = new Map<string, number>()
  private nodeIds = new Map<string, number>()
  private stackIds = new Map<number, number>()
  private function_ = [0]
  private file = [0]
  private line = [0]
  private parent = [0]
  private frame = [0]
  private node = [0]
  private kinds = new Map<string, number[]>()

  constructor(private rnd: Random) {
    for (const kind of Object.keys(ROOTS)) this.kinds.set(kind, this.family(ROOTS[kind]!))
  }

  private intern(text: string): number {
    let id = this.stringIds.get(text)
    if (id === undefined) {
      id = this.strings.push(text) - 1
      this.stringIds.set(text, id)
    }
    return id
  }

  private nodeOf(parent: number, name: string, file: string, line: number): number {
    const key = `${name} ${file} ${line}`
    let frame = this.frameIds.get(key)
    if (frame === undefined) {
      frame = this.function_.push(this.intern(name)) - 1
      this.file.push(this.intern('/usr/lib/python3.12/' + file))
      this.line.push(line)
      this.frameIds.set(key, frame)
    }
    const path = `${parent} ${frame}`
    let node = this.nodeIds.get(path)
    if (node === undefined) {
      node = this.parent.push(parent) - 1
      this.frame.push(frame)
      this.nodeIds.set(path, node)
    }
    return node
  }

  private family(files: string[]): number[] {
    const stacks: number[] = []
    for (let i = 0; i < PER_KIND; i++) {
      let node = 0
      const depth = 2 + this.rnd.below(files.length)
      for (let f = 0; f < depth; f++) {
        const at = f === 0 ? 0 : 1 + this.rnd.below(files.length - 1)
        const [file, names] = files[at]!.split(':') as [string, string]
        const list = names.split(',')
        const take = f === 0 ? list.length : 1 + this.rnd.below(list.length)
        for (let k = 0; k < take; k++) node = this.nodeOf(node, list[k]!, file, 20 + k * 31 + (f ? this.rnd.below(3) * 4 : 0))
      }
      let stack = this.stackIds.get(node)
      if (stack === undefined) {
        stack = this.node.push(node) - 1
        this.stackIds.set(node, stack)
      }
      stacks.push(stack)
    }
    return stacks
  }

  /* A stack of such a thread; a few are far more frequent than the others. */
  of(kind: string, thread: number): number {
    const list = this.kinds.get(kind)!
    const r = this.rnd.next()
    return list[(thread + Math.floor(r * r * r * list.length)) % list.length]!
  }

  done(): Stacks {
    return {
      node: Uint32Array.from(this.node), flags: new Uint8Array(this.node.length),
      parent: Uint32Array.from(this.parent), frame: Uint32Array.from(this.frame),
      function: Uint32Array.from(this.function_), file: Uint32Array.from(this.file), line: Uint32Array.from(this.line),
    }
  }
}
