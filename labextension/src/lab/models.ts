import { Dialog, MainAreaWidget, showDialog } from '@jupyterlab/apputils';
import type { CommandRegistry } from '@lumino/commands';
import { Widget } from '@lumino/widgets';
import { h, number } from '../view/dom';
import { said } from './api';
import { modelsIcon } from './icons';
import { CommandIDs } from './ids';
import type { ModelVersion, RegisteredModel } from './protocol';
import type { Workbench } from './workbench';

/** All registered models with their versions, aliases and where each came from. */
export class ModelsPage extends MainAreaWidget<Models> {
  constructor(workbench: Workbench, commands: CommandRegistry) {
    super({ content: new Models(workbench, commands) });
    this.id = 'workbench-models';
    this.title.label = workbench.trans.__('Registered models');
    this.title.icon = modelsIcon;
    this.title.closable = true;
  }
}

class Models extends Widget {
  private readonly list = h('div', { class: 'wbl-modellist' });
  private readonly message = h('div', { class: 'wbl-message', role: 'status' });

  constructor(
    private readonly workbench: Workbench,
    private readonly commands: CommandRegistry
  ) {
    super();
    const { trans } = workbench;
    this.addClass('wbl-models');
    this.node.tabIndex = -1;
    this.node.append(
      h('div', { class: 'wbl-modelhead' }, h('h1', {}, trans.__('Registered models')), h('button', { type: 'button', class: 'jp-mod-styled jp-mod-reject', click: () => void this.refresh() }, trans.__('Refresh'))),
      this.message,
      this.list
    );
  }

  protected override onAfterAttach(): void {
    if (this.isVisible) {
      void this.refresh();
    }
  }

  protected override onAfterShow(): void {
    void this.refresh();
  }

  private async refresh(told = ''): Promise<void> {
    const { trans, api } = this.workbench;
    if (!this.list.childElementCount) {
      this.say(trans.__('Looking for models …'));
    }
    try {
      const { models } = await api.get<{ models: RegisteredModel[] }>('models');
      this.say(told);
      this.list.replaceChildren(...(models.length ? models.map(model => this.model(model)) : [h('p', { class: 'wbl-dim' }, trans.__('No model is registered yet. Open a sweep, go to “Register best model”, and give it a name.'))]));
    } catch (error) {
      this.say(said(error), true);
    }
  }

  private say(text: string, bad = false): void {
    this.message.textContent = text;
    this.message.hidden = !text;
    this.message.classList.toggle('wbl-bad', bad);
  }

  private model(model: RegisteredModel): HTMLElement {
    const { trans } = this.workbench;
    const heads = [trans.__('Version'), trans.__('Aliases'), trans.__('Metric'), trans.__('From'), trans.__('Registered'), ''];
    return h(
      'section',
      { class: 'wbl-model', 'aria-label': model.name },
      h('h2', {}, model.name),
      h(
        'div',
        { class: 'wbl-scroll', tabindex: 0, role: 'region', 'aria-label': trans.__('Versions of %1', model.name) },
        h(
          'table',
          { class: 'wbl-table' },
          h('thead', {}, h('tr', {}, ...heads.map(head => (head ? h('th', { scope: 'col' }, head) : h('td', {}))))),
          h('tbody', {}, ...model.versions.map(version => this.version(model, version)))
        )
      )
    );
  }

  private version(model: RegisteredModel, version: ModelVersion): HTMLElement {
    const { trans } = this.workbench;
    const origin = version.job;
    const from = origin
      ? h('button', { type: 'button', class: 'wbl-link', title: trans.__('Open %1', origin), click: () => void this.commands.execute(CommandIDs.open, { name: origin }) }, origin)
      : h('span', { class: 'wbl-dim' }, version.runId ?? '–');
    return h(
      'tr',
      { 'data-version': version.version },
      h('th', { scope: 'row' }, version.version),
      h('td', {}, this.aliases(model, version)),
      h('td', {}, version.metric ? `${version.metric.name ?? ''} ${number(version.metric.value)}` : '–'),
      h('td', {}, from, ...(version.sweep && version.sweep !== origin ? [' ', this.sweep(version.sweep)] : [])),
      h('td', { class: 'wbl-when' }, new Date(1000 * version.created).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })),
      h('td', {}, h('button', { type: 'button', class: 'wbl-small', click: () => void this.commands.execute(CommandIDs.insertCode, { source: version.loadCode }) }, trans.__('Insert load code')))
    );
  }

  private sweep(name: string): HTMLElement {
    const { trans } = this.workbench;
    return h('button', { type: 'button', class: 'wbl-link wbl-dim', click: () => void this.commands.execute(CommandIDs.open, { name }) }, trans.__('its sweep'));
  }

  private aliases(model: RegisteredModel, version: ModelVersion): HTMLElement {
    const { trans } = this.workbench;
    const chips = version.aliases.map(alias =>
      h('span', { class: 'wbl-chip' }, `@${alias}`, h('button', { type: 'button', 'aria-label': trans.__('Remove the alias %1', alias), title: trans.__('Remove the alias'), click: () => void this.removeAlias(model, version, alias) }, '×'))
    );
    const add = h('button', { type: 'button', class: 'wbl-small', 'aria-label': trans.__('Set an alias of version %1', version.version), click: () => void this.setAlias(model, version) }, trans.__('+ alias'));
    return h('span', { class: 'wbl-chips' }, ...chips, add);
  }

  private async setAlias(model: RegisteredModel, version: ModelVersion): Promise<void> {
    const { trans } = this.workbench;
    const body = new AliasBody(model, trans.__('Alias, such as champion'));
    const answer = await showDialog({
      title: trans.__('An alias for %1 version %2', model.name, version.version),
      body,
      buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Set') })],
      focusNodeSelector: 'input'
    });
    const alias = (answer.value ?? '').trim();
    if (!answer.button.accept || !alias) {
      return;
    }
    const holder = model.versions.find(entry => entry.aliases.includes(alias));
    if (holder && holder !== version && !(await this.really(trans.__('Move @%1?', alias), trans.__('It is version %1 now, and will be version %2. Code that loads models:/%3@%4 then gets the other model.', holder.version, version.version, model.name, alias), trans.__('Move')))) {
      return;
    }
    await this.change(() => this.workbench.api.put(aliasPath(model, alias), { version: version.version }), trans.__('@%1 is version %2 of %3 now.', alias, version.version, model.name));
  }

  private async removeAlias(model: RegisteredModel, version: ModelVersion, alias: string): Promise<void> {
    const { trans } = this.workbench;
    if (await this.really(trans.__('Remove @%1?', alias), trans.__('Code that loads models:/%1@%2 will find nothing. Version %3 stays.', model.name, alias, version.version), trans.__('Remove'))) {
      await this.change(() => this.workbench.api.remove(aliasPath(model, alias)), trans.__('@%1 is removed.', alias));
    }
  }

  private async really(title: string, body: string, yes: string): Promise<boolean> {
    return (await showDialog({ title, body, buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: yes })] })).button.accept;
  }

  private async change(run: () => Promise<void>, told: string): Promise<void> {
    try {
      await run();
      await this.refresh(told);
    } catch (error) {
      this.say(said(error), true);
    }
  }
}

class AliasBody extends Widget implements Dialog.IBodyWidget<string> {
  private readonly input: HTMLInputElement;

  constructor(model: RegisteredModel, label: string) {
    super();
    const known = [...new Set(model.versions.flatMap(version => version.aliases))];
    this.input = h('input', { class: 'jp-mod-styled', list: 'wbl-aliases', 'aria-label': label, placeholder: label, autocomplete: 'off' });
    this.node.append(this.input, h('datalist', { id: 'wbl-aliases' }, ...known.map(alias => h('option', { value: alias }))));
  }

  getValue(): string {
    return this.input.value;
  }
}

function aliasPath(model: RegisteredModel, alias: string): string {
  return `models/${encodeURIComponent(model.name)}/aliases/${encodeURIComponent(alias)}`;
}
