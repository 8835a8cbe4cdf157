import { ServerConnection } from '@jupyterlab/services';
import { nullTranslator } from '@jupyterlab/translation';
import { describe, expect, it, vi } from 'vitest';
import { Settings } from '../src/lab/settings';
import { Workbench } from '../src/lab/workbench';
import { job } from './jobs';

vi.mock('../src/lab/notify', () => ({ orSay: (run: () => Promise<void>) => run() })); // it draws

const trans = nullTranslator.load('workbench');

/** A workbench whose server answers so; what it was asked. */
function workbench(answer: (address: URL) => Response): { found: Workbench; asked: string[] } {
  const asked: string[] = [];
  const fetch = (request: RequestInfo | URL): Promise<Response> => {
    const { url } = request as Request;
    asked.push(url);
    return Promise.resolve().then(() => answer(new URL(url)));
  };
  const settings = { ...ServerConnection.makeSettings({ baseUrl: 'http://here/', wsUrl: 'ws://here/', fetch }), fetch };
  return { found: new Workbench(settings, new Settings(), trans), asked };
}

const json = (told: object, status = 200): Response => new Response(JSON.stringify(told), { status });
const workspace = { root: '/w', relative: '', exists: true, experiments: [] };

describe('a line that breaks after the jobs are known', () => {
  const broken = (answer: () => Response): { found: Workbench; asked: string[] } => {
    const made = workbench(answer);
    made.found.model.setLink('up');
    made.found.model.take({ type: 'state', cursor: 1, jobs: [job('one')], workspace, queue: null });
    made.found.model.setLink('down');
    return made;
  };

  it('is told as what the server answers, until it is there again', async () => {
    const { found, asked } = broken(() => json({ message: 'nobody is signed in', todo: 'Reload the page' }, 403));
    await vi.waitFor(() => expect(found.model.problem).toBe('nobody is signed in. Reload the page'));
    expect(asked).toHaveLength(1);
    found.model.setLink('up');
    expect(found.model.problem).toBe('');
  });

  it('has no other reason where nobody answers, and forgets one that it had', async () => {
    let away = false;
    const { found, asked } = broken(() => {
      if (away) {
        throw new TypeError('Failed to fetch');
      }
      return json({ message: 'out of order' }, 500);
    });
    await vi.waitFor(() => expect(found.model.problem).toBe('out of order'));
    away = true;
    const before = asked.length;
    found.model.setLink('down');
    await vi.waitFor(() => expect(asked.length).toBeGreaterThan(before));
    await vi.waitFor(() => expect(found.model.problem).toBe(''));
    expect(found.model.link).toBe('down');
  });
});

describe('archived jobs', () => {
  it('are all there, however many pages they fill', async () => {
    const jobs = Array.from({ length: 7 }, (_, number) => job(`old ${number}`, { archived: true }));
    const { found, asked } = workbench(address => {
      const offset = Number(address.searchParams.get('offset'));
      return json({ cursor: 1, total: jobs.length, jobs: jobs.slice(offset, offset + 3) });
    });
    await found.loadArchived();
    expect(found.model.counts().archived).toBe(7);
    expect(found.model.archivedLoaded).toBe(true);
    expect(asked).toHaveLength(3);
  });

  it('end where the server has no more of them than it has said', async () => {
    const { found, asked } = workbench(() => json({ cursor: 1, total: 9, jobs: [] }));
    await found.loadArchived();
    expect(asked).toHaveLength(1);
  });
});

describe('which job a command means', () => {
  it('is the one that it names, else the one that is chosen', () => {
    const { found } = workbench(() => json({}));
    expect(found.meant({})).toBeNull();
    found.chosen = () => job('chosen');
    expect(found.meant({})).toBe('chosen');
    expect(found.meant({ name: 'named', menu: true })).toBe('named');
  });

  it('is in a context menu the one that it was opened on, whatever the list shows by then', () => {
    const { found } = workbench(() => json({}));
    found.pointed = 'pointed';
    found.chosen = () => job('next');
    expect(found.meant({ menu: true })).toBe('pointed');
    found.pointed = null;
    expect(found.meant({ menu: true })).toBeNull();
  });

  it('is said in the palette, where the list may be out of sight', () => {
    const { found } = workbench(() => json({}));
    found.chosen = () => job('chosen');
    expect(found.titled('Stop', { isPalette: true })).toBe('Stop (chosen)');
    expect(found.titled('Stop', {})).toBe('Stop');
  });
});
