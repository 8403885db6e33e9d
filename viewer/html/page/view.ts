/* What a view is, and what it may use.  A view is made once, mounted when it is first shown, and told of changes while it
 * is shown (and once when it is shown again, with every key).  It touches only its own host element. */
import type { Recording } from './data/recording'
import type { Key, Store, ViewId, ViewState } from './state'

export interface Page {
  readonly rec: Recording
  readonly store: Store
  /* Short spoken text for people who cannot see the canvas (aria-live, polite). */
  say(text: string): void
}

/* A key of the keyboard, for the overlay and the dispatcher: 'g', 'Shift+N', 'Ctrl+f', '/', 'ArrowLeft'. */
export interface KeyBinding { keys: string[]; help: string; run(event: KeyboardEvent): void }

export abstract class View {
  abstract readonly id: ViewId
  abstract readonly title: string
  protected page!: Page
  protected host!: HTMLElement

  mount(host: HTMLElement, page: Page): void {
    this.host = host
    this.page = page
    this.build()
  }

  /* Makes what the host shows, once. */
  protected abstract build(): void
  abstract update(changed: ReadonlySet<Key>): void
  /* Called when the host's size or the theme changed: draw again. */
  redraw(): void {}

  get keys(): KeyBinding[] {
    return []
  }

  protected get rec(): Recording {
    return this.page.rec
  }

  protected get s(): Readonly<ViewState> {
    return this.page.store.get()
  }

  protected set(patch: Partial<ViewState>): void {
    this.page.store.set(patch)
  }
}
