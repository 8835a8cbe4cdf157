import { h } from '../../view/dom';

/** A control with its label, what it means, and a place for what is wrong with it. */
export function field(label: string, control: HTMLElement, ...rest: (HTMLElement | null)[]): HTMLElement {
  return h('div', { class: 'wbl-field' }, h('label', {}, h('span', { class: 'wbl-label' }, label), control), ...rest);
}

export function hint(text: string): HTMLElement | null {
  return text ? h('span', { class: 'wbl-hint' }, text) : null;
}

export function options(values: [string, string][]): HTMLOptionElement[] {
  return values.map(([value, text]) => h('option', { value }, text));
}
