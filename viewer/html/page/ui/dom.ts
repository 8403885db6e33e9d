/* Elements without markup: text only ever becomes textContent.  No inline handlers, no style attributes (the page's
 * content security policy forbids both); classes and custom properties set through CSSOM are fine. */

type Child = Node | string | null | undefined | false
type Props = {
  class?: string
  text?: string
  title?: string
  on?: { [type: string]: (event: any) => void }
  [attribute: string]: unknown
}

export function el<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue
    if (name === 'class') element.className = value as string
    else if (name === 'text') element.textContent = value as string
    else if (name === 'on') for (const [type, run] of Object.entries(value as object)) element.addEventListener(type, run)
    else element.setAttribute(name, value === true ? '' : String(value))
  }
  element.append(...children.filter((c): c is Node | string => c !== null && c !== undefined && c !== false))
  return element
}

export function clear(element: Element): void {
  element.replaceChildren()
}
