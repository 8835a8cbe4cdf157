import type { TranslationBundle } from '@jupyterlab/translation';
import { h } from '../../view/dom';
import { kindsOf, likelyKind, placeOfParameter, type Draft, type Field, type Kind } from './draft';
import { options } from './parts';

/** The rows of the form that say what each parameter is: fixed, or drawn from a distribution. */
export class Parameters {
  readonly element = h('div', { class: 'wbl-parameters' });
  private readonly rows: { draw: () => void }[] = [];
  private readonly names: string[] = [];

  constructor(
    private readonly draft: Draft,
    private readonly trans: TranslationBundle,
    private readonly problems: Map<string, HTMLElement>,
    private readonly changed: () => void
  ) {
    draft.fields.forEach(entry => this.element.append(this.row(entry)));
    if (!draft.fields.length) {
      this.element.append(h('p', { class: 'wbl-dim' }, trans.__('No parameters.')));
    }
  }

  /** Draw anew after it was chosen whether this is a sweep. */
  redraw(): void {
    this.rows.forEach(row => row.draw());
  }

  dispose(): void {
    this.names.forEach(name => this.problems.delete(name));
  }

  private row(entry: Field): HTMLElement {
    const { trans } = this;
    const { name, help, type } = entry.parameter;
    const controls = h('span', { class: 'wbl-values' });
    const problem = h('div', { class: 'wbl-problem', id: `wbl-problem-param-${name}` });
    this.problems.set(placeOfParameter(name), problem);
    this.names.push(placeOfParameter(name));
    const kind = h('select', { 'aria-label': trans.__('How %1 is chosen', name), change: () => change(kind.value as Kind) }, ...options(kindsOf(entry).map(value => [value, this.title(value)])));
    const vary = h('input', { type: 'checkbox', 'aria-label': trans.__('Vary %1', name), change: () => change(vary.checked ? likelyKind(entry) : 'fixed') });
    const draw = (): void => {
      const shown = this.draft.sweep ? entry.kind : 'fixed';
      kind.value = shown;
      vary.checked = shown !== 'fixed';
      kind.hidden = shown === 'fixed';
      varyLabel.hidden = !this.draft.sweep || kindsOf(entry).length < 2;
      controls.replaceChildren(...this.controls(entry, shown, problem.id));
      element.classList.toggle('wbl-varies', shown !== 'fixed');
    };
    const change = (value: Kind): void => {
      entry.kind = value;
      draw();
      this.changed();
    };
    const varyLabel = h('label', { class: 'wbl-vary' }, vary, ` ${trans.__('vary')}`);
    const element = h(
      'div',
      { class: 'wbl-param', role: 'group', 'aria-label': name },
      h('span', { class: 'wbl-name', title: [type, help].filter(Boolean).join(' · ') }, h('code', {}, name), help ? h('small', {}, help) : null),
      varyLabel,
      h('span', { class: 'wbl-how' }, kind, controls),
      problem
    );
    draw();
    this.rows.push({ draw });
    return element;
  }

  private controls(entry: Field, kind: Kind, problem: string): (HTMLElement | string)[] {
    const { trans } = this;
    const { name } = entry.parameter;
    const input = (part: 'fixed' | 'low' | 'high' | 'choices', label: string): HTMLInputElement => {
      const control = h('input', {
        value: entry[part],
        autocomplete: 'off',
        'aria-label': `${name}: ${label}`,
        'aria-describedby': problem,
        'data-field': placeOfParameter(name),
        class: part === 'choices' || part === 'fixed' ? 'wbl-wide' : 'wbl-short',
        input: () => {
          entry[part] = control.value;
          this.changed();
        }
      });
      return control;
    };
    switch (kind) {
      case 'fixed':
        return [input('fixed', trans.__('value'))];
      case 'choice':
        return [input('choices', trans.__('values, with commas between them'))];
      case 'normal':
      case 'lognormal':
        return [trans.__('mean'), ' ', input('low', trans.__('mean')), ' ± ', input('high', trans.__('deviation'))];
      default:
        return [input('low', trans.__('from')), ' – ', input('high', trans.__('to'))];
    }
  }

  private title(kind: Kind): string {
    const { trans } = this;
    switch (kind) {
      case 'uniform':
        return trans.__('uniform');
      case 'loguniform':
        return trans.__('log-uniform');
      case 'whole':
        return trans.__('whole numbers');
      case 'choice':
        return trans.__('one of');
      case 'normal':
        return trans.__('normal');
      case 'lognormal':
        return trans.__('log-normal (of the logarithm)');
      default:
        return trans.__('fixed');
    }
  }
}
