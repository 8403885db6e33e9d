/* What a view is, and what it may use.  A view is made once, mounted when it is first shown, and told of changes while it
 * is shown (and once when it is shown again, with every key).  It touches only its own host element. */
import type { Recording } from './data/recording'
import type { Key, Store, ViewId } from './state'

export interface Page {
  readonly recording: Recording
  readonly store: Store
  /* Short spoken text for people who cannot see the canvas (aria-live, polite). */
  say(text: string): void
}

/* A key of the keyboard, for the overlay and the dispatcher: 'g', 'Shift+N', 'Ctrl+f', '/', 'ArrowLeft'. */
export interface KeyBinding { keys: string[]; help: string; run(event: KeyboardEvent): void }

export interface View {
  readonly id: ViewId
  readonly title: string
  mount(host: HTMLElement, page: Page): void
  update(changed: ReadonlySet<Key>): void
  /* Called when the host's size or the theme changed: draw again. */
  redraw(): void
  readonly keys: KeyBinding[]
}
