/* What the person looks at: one flat record, and who wants to know when it changes.  The whole of it is in the URL's
 * hash (url.ts), so that a view can be shared together with the file.  Ids are those of data/recording.ts. */
import type { Range } from './data/recording'

export type ViewId = 'overview' | 'timeline' | 'flame' | 'blame' | 'locks' | 'threads' | 'whatif'
export type FlameSource = 'gil' | 'nogil' | 'wait' | 'blame' | 'blocked' | 'locks'
export type FlameLayout = 'left' | 'time' | 'sandwich'
/* A row of the recording that is looked at closely. */
export interface Focus { table: 'interval' | 'wait' | 'hold' | 'sample' | 'tally'; row: number }

export interface ViewState {
  view: ViewId
  visible: Range | null /* of the timeline; null: all */
  selection: Range | null /* filters every other view */
  baseline: Range | null /* second selection: the flame graph becomes a difference */
  process: number | null
  thread: number | null
  lock: number | null
  focus: Focus | null
  search: string /* in the view that is shown */
  /* timeline */
  group: boolean
  sort: 'process' | 'name' | 'wait'
  filter: string
  hideIdle: boolean
  /* flame graphs */
  source: FlameSource
  layout: FlameLayout
  inverted: boolean
  root: string /* path of the zoomed node, in a sandwich its function; '' none */
  lines: boolean /* a box for each line, else for each function */
  byThread: boolean /* the outermost boxes are threads */
  collapse: boolean /* recursion is one box */
  hidden: string /* functions whose stacks are left out, '' none */
  /* who blocks whom */
  matrix: 'lines' | 'functions' | 'threads'
  asTable: boolean /* its pairs as a list */
  cell: string /* the one that is open, '' none */
  columns: 'gil' | 'states' /* of the threads */
  byTime: boolean /* histograms of waits: their time, else their number */
  theme: 'auto' | 'light' | 'dark'
}

/* What a fragment may name. */
export interface Bounds {
  durationNs: number
  process: number /* how many */
  thread: number
  lock: number
  rows: Record<Focus['table'], number>
}

export const INITIAL: Readonly<ViewState> = {
  view: 'overview', visible: null, selection: null, baseline: null, process: null, thread: null, lock: null, focus: null, search: '',
  group: true, sort: 'wait', filter: '', hideIdle: false, source: 'blame', layout: 'left', inverted: false, root: '',
  lines: true, byThread: false, collapse: false, hidden: '', matrix: 'functions', asTable: false, cell: '', columns: 'gil', byTime: false,
  theme: 'auto',
}

export type Key = keyof ViewState
type Listener = (changed: ReadonlySet<Key>) => void

export class Store {
  private state: ViewState = { ...INITIAL }
  private listeners: Listener[] = []

  get(): Readonly<ViewState> {
    return this.state
  }

  /* Tells the listeners what changed, once; objects are compared by value. */
  set(patch: Partial<ViewState>): void {
    const changed = new Set<Key>()
    const next = { ...this.state, ...patch }
    for (const key of Object.keys(patch) as Key[])
      if (JSON.stringify(this.state[key]) !== JSON.stringify(next[key])) changed.add(key)
    if (!changed.size) return
    this.state = next
    for (const tell of this.listeners) tell(changed)
  }

  on(listener: Listener): void {
    this.listeners.push(listener)
  }
}
