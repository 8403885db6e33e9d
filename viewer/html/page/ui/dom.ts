/* Elements without markup: text only ever becomes text nodes.  No inline handlers, no style attributes (the page's
 * content security policy forbids both); classes and custom properties set through CSSOM are fine. */

type Child = Node | string | null | undefined | false
type Props = {
  text?: string | undefined
  label?: string | undefined /* for those who do not see it: aria-label */
  decor?: true /* nothing for them: aria-hidden */
  on?: { [type: string]: (event: any) => void }
  [attribute: string]: unknown
}
type Tags = HTMLElementTagNameMap
type Tag = keyof Tags
type TagOf<S> = S extends Tag ? S : S extends `${infer K extends Tag}.${string}` ? K : never

/* el('button.plain wide', { title }, 'Close'): tag and classes, attributes (may be left out), children. */
export function el<S extends Tag | `${Tag}.${string}`>(what: S, props?: Props | Child, ...children: Child[]): Tags[TagOf<S>] {
  const [tag, classes] = what.split('.') as [TagOf<S>, string?]
  const element = document.createElement<TagOf<S>>(tag)
  if (classes) element.className = classes
  if (props && typeof props === 'object' && !(props instanceof Node)) {
    const { text, label, decor, on: heard, ...rest } = props
    const attributes: Props = { 'aria-label': label, 'aria-hidden': decor && 'true', ...rest }
    for (const [name, value] of Object.entries(attributes))
      if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value === true ? '' : String(value))
    for (const [type, run] of Object.entries(heard ?? {})) element.addEventListener(type, run)
    children.unshift(text)
  } else children.unshift(props)
  element.append(...children.filter((c): c is Node | string => !!c))
  return element
}

export function clear(element: Element): void {
  element.replaceChildren()
}

type Events = HTMLElementEventMap & WindowEventMap

export function on<T extends keyof Events>(target: EventTarget, type: T, run: (event: Events[T]) => void, options?: AddEventListenerOptions): void {
  target.addEventListener(type, run as EventListener, options)
}

/* The event is dealt with. */
export function take(event: Event): void {
  event.preventDefault()
  event.stopPropagation()
}

export function style(element: HTMLElement, property: string, value: string): void {
  element.style.setProperty(property, value)
}
