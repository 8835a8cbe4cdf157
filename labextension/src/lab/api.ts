import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type { Problem } from './protocol';

/** What the server refused, with what is wrong at which field. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly problems: Problem[] = []
  ) {
    super(message);
  }
}

type Query = Record<string, string | number | boolean | undefined>;

interface Refusal {
  message?: string;
  where?: string;
  todo?: string;
  problems?: Problem[];
}

/** Bytes of a file of `size` bytes, from `begin` on; `begin` is beyond the end of a file that has become shorter. */
export interface FilePart {
  bytes: ArrayBuffer;
  begin: number;
  size: number;
}

/** The server's addresses, asked with the credentials of the page. */
export class Api {
  /**
   * @param settings of the server.
   * @param workspace says which folder is meant; empty for the server's own choice.
   */
  constructor(
    readonly settings: ServerConnection.ISettings,
    private readonly workspace: () => string
  ) {}

  async get<T>(path: string, query: Query = {}): Promise<T> {
    return (await this.ask('GET', path, query)).json() as Promise<T>;
  }

  /** The text of an address that is not part of the API. */
  async file(path: string): Promise<string> {
    const answer = await ServerConnection.makeRequest(this.address(path, {}), {}, this.settings);
    if (!answer.ok) {
      throw await refused(answer);
    }
    return answer.text();
  }

  async post<T>(path: string, body: unknown = {}, query: Query = {}): Promise<T> {
    return (await this.ask('POST', path, query, body)).json() as Promise<T>;
  }

  async put(path: string, body: unknown): Promise<void> {
    await this.ask('PUT', path, {}, body);
  }

  async remove(path: string): Promise<void> {
    await this.ask('DELETE', path, {});
  }

  /**
   * What a file has from a byte on, or at its end for null; `most` bytes at once. The byte before is asked for too, since
   * a browser reports a range in which nothing is (416) as an error in its console.
   */
  async part(path: string, begin: number | null, most: number): Promise<FilePart> {
    const first = begin === null ? null : Math.max(0, begin - 1);
    const range = first === null ? `bytes=-${most}` : `bytes=${first}-${first + most}`;
    const answer = await ServerConnection.makeRequest(this.address(`api/${path}`, {}), { headers: { Range: range }, cache: 'no-store' }, this.settings);
    const told = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(answer.headers.get('Content-Range') ?? '');
    if (answer.status === 416) {
      return { bytes: new ArrayBuffer(0), begin: 0, size: Number(told?.[2] ?? 0) };
    }
    if (!answer.ok) {
      throw await refused(answer);
    }
    const found = await answer.arrayBuffer();
    const at = Number(told?.[1] ?? 0);
    const size = Number(told?.[2] ?? found.byteLength);
    return begin === null ? { bytes: found, begin: at, size } : { bytes: found.slice(begin - at), begin, size };
  }

  /** Open the server's WebSocket at an address. */
  socket(path: string, query: Query = {}): WebSocket {
    return new this.settings.WebSocket(this.address(path, query, this.settings.wsUrl));
  }

  address(path: string, query: Query, base = this.settings.baseUrl): string {
    const given = Object.entries({ workspace: this.workspace() || undefined, ...query }).filter(([, value]) => value !== undefined && value !== '');
    const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
    return `${URLExt.join(base, 'workbench', path)}${text ? `?${text}` : ''}`;
  }

  private async ask(method: string, path: string, query: Query, body?: unknown): Promise<Response> {
    const init: RequestInit = { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const answer = await ServerConnection.makeRequest(this.address(`api/${path}`, query), init, this.settings);
    if (!answer.ok) {
      throw await refused(answer);
    }
    return answer;
  }
}

async function refused(answer: Response): Promise<ApiError> {
  let told: Refusal = {};
  try {
    told = (await answer.json()) as Refusal;
  } catch {
    told = { message: `${answer.status} ${answer.statusText}` }; // a proxy's page, or nothing at all
  }
  const where = told.where ? `${told.where}: ` : '';
  const text = [told.message ?? answer.statusText, told.todo].filter(Boolean).join('. ');
  return new ApiError(`${where}${text}`, answer.status, told.problems ?? []);
}

/** The name of a job as a part of an address. */
export function jobPath(name: string, ...rest: string[]): string {
  return ['jobs', name, ...rest].map(encodeURIComponent).join('/');
}

export function said(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
