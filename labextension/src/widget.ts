/**
 * The widget's ES module, for front ends without the workbench's extension. It is small: the view itself and plotly are
 * asked for once for each page, however many widgets it has.
 */
import { Pulse, wanted, type Shelf } from './kernel';
import type { Incoming } from './view/protocol';
import { plotlyOnce } from './view/plotly';
import { trans } from './view/language';
import type { Transport } from './view/transport';

interface Model {
  send(message: object): void;
  on(event: 'msg:custom', take: (message: WidgetMessage) => void): void;
  on(event: 'comm_live_update', take: () => void): void;
  off(event: 'msg:custom', take: (message: WidgetMessage) => void): void;
  off(event: 'comm_live_update', take: () => void): void;
}

type WidgetMessage = { type: 'asset'; name: string; text: string } | { type: 'view'; view: string; message: Incoming } | { type: 'alive'; view: string };

type Mount = (parent: HTMLElement, transport: Transport) => () => void;

interface Page {
  workbenchMount?: Promise<Mount>;
  workbenchWanted?: Shelf;
}

let lastView = 0;

function asset(model: Model, name: string): Promise<string> {
  return wanted(((globalThis as Page).workbenchWanted ??= {}), name, () => ask(model, name));
}

function ask(model: Model, name: string): Promise<string> {
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
  const asked = asset(model, 'view'); // also where another widget has asked: its kernel may be gone
  page.workbenchMount ??= asked.then(async text => {
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
  const linkTakers: ((up: boolean) => void)[] = [];
  const send = (message: object): void => {
    try {
      model.send(message);
    } catch {
      // The kernel is gone, as its silence will tell.
    }
  };
  const take = (message: WidgetMessage): void => {
    if (message.type !== 'asset' && message.view === view) {
      pulse?.heard();
      if (message.type === 'view') {
        takers.forEach(taker => taker(message.message));
      }
    }
  };
  let pulse: Pulse | null = null;
  const lose = (): void => pulse?.lose();
  model.on('msg:custom', take);
  model.on('comm_live_update', lose);
  const transport: Transport = {
    send: message => send({ type: 'ask', view, message }),
    onMessage: taker => void takers.push(taker),
    onLink: taker => void linkTakers.push(taker),
    lost: () => trans.__('The kernel is not heard any more: what is shown may be old. Run the cell again to follow the job, which needs no kernel.'),
    loadPlotly: () => {
      const text = asset(model, 'plotly');
      return plotlyOnce(() => text);
    },
    close: () => {
      pulse?.stop();
      model.off('msg:custom', take);
      model.off('comm_live_update', lose);
      send({ type: 'close', view });
    }
  };
  const mount = await mountOnce(model);
  const unmount = mount(el, transport);
  send({ type: 'open', view });
  pulse = new Pulse(
    () => send({ type: 'here', view }),
    up => linkTakers.forEach(taker => taker(up))
  );
  return unmount;
}

export default { render };
