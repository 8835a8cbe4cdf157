/**
 * The widget's ES module, for front ends without the workbench's extension. It is small: the view itself and plotly are
 * asked for once for each page, however many widgets it has.
 */
import type { Incoming } from './view/protocol';
import { plotlyOnce } from './view/plotly';
import type { Transport } from './view/transport';

interface Model {
  send(message: object): void;
  on(event: 'msg:custom', take: (message: WidgetMessage) => void): void;
  off(event: 'msg:custom', take: (message: WidgetMessage) => void): void;
}

type WidgetMessage = { type: 'asset'; name: string; text: string } | { type: 'view'; view: string; message: Incoming };

type Mount = (parent: HTMLElement, transport: Transport) => () => void;

interface Page {
  workbenchMount?: Promise<Mount>;
}

let lastView = 0;

function asset(model: Model, name: string): Promise<string> {
  return new Promise(resolve => {
    const take = (message: WidgetMessage): void => {
      if (message.type === 'asset' && message.name === name) {
        model.off('msg:custom', take);
        resolve(message.text);
      }
    };
    model.on('msg:custom', take);
    model.send({ type: 'asset', name });
  });
}

function mountOnce(model: Model): Promise<Mount> {
  const page = globalThis as Page;
  page.workbenchMount ??= asset(model, 'view').then(async text => {
    const address = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    const loaded = (await import(/* webpackIgnore: true */ address)) as { mount: Mount };
    URL.revokeObjectURL(address);
    return loaded.mount;
  });
  return page.workbenchMount;
}

async function render({ model, el }: { model: Model; el: HTMLElement }): Promise<() => void> {
  const view = `${Date.now()}-${++lastView}`;
  const takers: ((message: Incoming) => void)[] = [];
  const take = (message: WidgetMessage): void => {
    if (message.type === 'view' && message.view === view) {
      takers.forEach(taker => taker(message.message));
    }
  };
  model.on('msg:custom', take);
  const transport: Transport = {
    send: message => model.send({ type: 'ask', view, message }),
    onMessage: taker => void takers.push(taker),
    onLink: () => undefined,
    loadPlotly: () => plotlyOnce(() => asset(model, 'plotly')),
    close: () => {
      model.off('msg:custom', take);
      model.send({ type: 'close', view });
    }
  };
  const mount = await mountOnce(model);
  const unmount = mount(el, transport);
  model.send({ type: 'open', view });
  return unmount;
}

export default { render };
