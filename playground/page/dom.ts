// Small helpers for elements.

type Child = Node | string;
type Attributes = Record<string, string | number | boolean | ((event: any) => void)>;

/** element('button', {type: 'button', onclick: f}, 'Play') */
export function element<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (typeof value === 'function') made.addEventListener(name.slice(2), value);
    else if (typeof value === 'boolean') made.toggleAttribute(name, value);
    else made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

export const byId = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;

export function svg(tag: string, attributes: Record<string, string | number> = {}, ...children: Child[]): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

/** Three digits: "0.0123", "1.2e-7" */
export function digits(x: number): string {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? '–' : '∞';
  const size = Math.abs(x);
  return x === 0 ? '0' : size < 1e-3 || size >= 1e5 ? x.toExponential(1) : String(Number(x.toPrecision(3)));
}
export const percent = (x: number) => (Number.isFinite(x) ? `${Math.round(100 * x)} %` : '–');

/** Sets text only when it changes, so that screen readers and the layout rest. */
export function say(to: HTMLElement, text: string): void {
  if (to.textContent !== text) to.textContent = text;
}
