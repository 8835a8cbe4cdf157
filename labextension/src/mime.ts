/** Shows `application/vnd.workbench.job+json` of a saved or a fresh output: live, and with no kernel. */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { ServerConnection } from '@jupyterlab/services';
import { Widget } from '@lumino/widgets';

import { patiently } from './patience';
import { askForNotebook } from './view/asking';

const MIME_TYPE = 'application/vnd.workbench.job+json';

interface Reference {
  name: string;
  workspace: string;
}

class JobOutput extends Widget implements IRenderMime.IRenderer {
  private unmount: (() => void) | null = null;
  private shown = '';

  constructor(private readonly sanitizer: IRenderMime.ISanitizer) {
    super();
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const reference = model.data[MIME_TYPE] as unknown as Reference;
    const key = JSON.stringify([reference.workspace, reference.name]);
    if (key === this.shown) {
      return; // the output was updated with a newer snapshot: what is shown is live anyway
    }
    this.shown = key;
    this.unmount?.();
    this.unmount = null;
    const settings = ServerConnection.makeSettings();
    const query = new URLSearchParams({ name: reference.name, workspace: reference.workspace });
    if (!(await isThere(settings, query))) {
      this.showSnapshot(model);
      return;
    }
    const { mount, SocketTransport, plotlyOnce } = await patiently(() => import('./view'));
    if (this.isDisposed) {
      return;
    }
    const transport = new SocketTransport(
      `${settings.wsUrl}workbench/view?${query.toString()}`,
      address => new settings.WebSocket(address),
      () => plotlyOnce(() => patiently(() => text(settings, `${settings.baseUrl}workbench/plotly.js`)))
    );
    this.node.replaceChildren();
    const keeper = {
      html: String(model.data['text/html'] ?? ''),
      // The output is a part of the document: this is how a saved notebook gets the last state with no kernel.
      keep: (data: Record<string, string>) => model.setData({ data: { ...model.data, ...data } })
    };
    const { workspace } = reference;
    this.unmount = mount(this.node, transport, keeper, undefined, name => askForNotebook(this.node, { name, workspace }));
  }

  override dispose(): void {
    this.unmount?.();
    this.unmount = null;
    super.dispose();
  }

  /** What the notebook itself holds, where the workspace is not on this machine, or not served. */
  private showSnapshot(model: IRenderMime.IMimeModel): void {
    const frame = document.createElement('div');
    frame.className = 'workbench-snapshot';
    frame.innerHTML = this.sanitizer.sanitize(String(model.data['text/html'] ?? ''));
    this.node.replaceChildren(frame);
  }
}

async function isThere(settings: ServerConnection.ISettings, query: URLSearchParams): Promise<boolean> {
  try {
    const address = `${settings.baseUrl}workbench/job?${query.toString()}`;
    const answer = await patiently(() => ServerConnection.makeRequest(address, { method: 'HEAD' }, settings));
    return answer.ok;
  } catch {
    return false; // no server extension, or no server
  }
}

async function text(settings: ServerConnection.ISettings, address: string): Promise<string> {
  const answer = await ServerConnection.makeRequest(address, {}, settings);
  if (!answer.ok) {
    throw new Error(`plotly cannot be loaded: ${answer.status} ${answer.statusText}`);
  }
  return answer.text();
}

const extension: IRenderMime.IExtension = {
  id: 'workbench-lab:job',
  description: 'Shows jobs and sweeps of the workbench.',
  rendererFactory: {
    safe: true,
    mimeTypes: [MIME_TYPE],
    defaultRank: -10, // before the widget, which needs a kernel
    createRenderer: options => new JobOutput(options.sanitizer)
  },
  dataType: 'json'
};

export default extension;
