import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { AppError } from '../../common/app-error.js';
import { misconfigured } from './blob-faults.js';

/** Silence of the node after which a call counts as failed, ms. */
const SILENCE_TIMEOUT_MS = 30_000;

/** The node understood the call and failed to do it; `message` is the node's own. */
export class NodeFault extends Error {}

/**
 * Calls of an IPFS node by the RPC of Kubo, version 0: every call is a POST, arguments are in the query, files in a
 * multipart body, and errors are JSON with status 500.
 *
 * Source: https://docs.ipfs.tech/reference/kubo/rpc/
 */
export class KuboRpc {
  private readonly base: string;
  private readonly headers: Record<string, string>;

  /** @param apiUrl `http://host:5001`, with `user:password@` if the node requires a login (its `API.Authorizations`) */
  constructor(
    apiUrl: string,
    private readonly silenceTimeoutMs = SILENCE_TIMEOUT_MS,
  ) {
    const { origin, pathname, username, password } = new URL(apiUrl);
    this.base = `${origin}${pathname.replace(/\/+$/, '')}/api/v0/`;
    const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    this.headers = username ? { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` } : {};
  }

  /**
   * @param file streamed as a multipart body
   * @returns the lines of the answer, each parsed
   * @throws NodeFault, AppError `unavailable` `STORAGE_AWAY`, `internal` `STORAGE_MISCONFIGURED`, and what `file` throws
   */
  async ask(command: string, query: Record<string, string>, file?: AsyncIterable<Uint8Array>): Promise<unknown[]> {
    const text = await this.call(command, query, file, (response) => response.text());
    try {
      return text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
    } catch (cause) {
      throw misconfigured('the server at IPFS_API_URL is not the RPC of an IPFS node', cause);
    }
  }

  /** Streams the bytes of the node's answer. @throws as `ask`; the stream fails in the same ways */
  stream(command: string, query: Record<string, string>): Promise<Readable> {
    return this.call(command, query, undefined, async (response, timer) =>
      Readable.from(readInTime(response.body!, timer), { objectMode: false }),
    );
  }

  private async call<T>(
    command: string,
    query: Record<string, string>,
    file: AsyncIterable<Uint8Array> | undefined,
    read: (response: Response, timer: SilenceTimer) => Promise<T>,
  ): Promise<T> {
    const timer = new SilenceTimer(this.silenceTimeoutMs);
    const form = file && multipart(file, timer);
    try {
      timer.start();
      const response = await fetch(`${this.base}${command}?${new URLSearchParams(query)}`, {
        method: 'POST',
        headers: { ...this.headers, ...form?.headers },
        body: form?.body,
        signal: timer.signal,
        duplex: 'half', // required for a streamed body
      } as unknown as RequestInit);
      if (!response.ok) throw refusal(response.status, await response.text());
      return await read(response, timer);
    } catch (error) {
      if (error instanceof NodeFault || error instanceof AppError) throw error;
      throw form?.failure() ?? away(error);
    } finally {
      timer.stop();
    }
  }
}

/** A timer that runs while the client waits for the node. */
class SilenceTimer {
  private readonly controller = new AbortController();
  private clock: NodeJS.Timeout | undefined;

  constructor(private readonly ms: number) {}

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Starts the timer, or restarts it. */
  start(): void {
    this.stop();
    this.clock = setTimeout(() => this.controller.abort(new Error(`silent for ${this.ms} ms`)), this.ms);
  }

  stop(): void {
    clearTimeout(this.clock);
  }
}

/** A form with one file. `failure` is the error that `file` threw, which `fetch` hides in a wrapper. */
function multipart(file: AsyncIterable<Uint8Array>, timer: SilenceTimer) {
  const boundary = randomUUID();
  let failure: unknown;
  const part = 'Content-Disposition: form-data; name="file"; filename="file"\r\nContent-Type: application/octet-stream';
  async function* body(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(`--${boundary}\r\n${part}\r\n\r\n`);
    try {
      for await (const chunk of file) {
        timer.start();
        yield chunk;
      }
    } catch (error) {
      failure = error;
      throw error;
    }
    yield Buffer.from(`\r\n--${boundary}--\r\n`);
    timer.start();
  }
  const headers = { 'content-type': `multipart/form-data; boundary=${boundary}` };
  return { headers, body: body(), failure: () => failure };
}

/** The timer runs only while waiting for the next chunk: a slow reader is not the node's fault. */
async function* readInTime(body: ReadableStream<Uint8Array>, timer: SilenceTimer): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      timer.start();
      const { done, value } = await reader.read();
      timer.stop();
      if (done) return;
      yield value;
    }
  } catch (error) {
    throw away(error);
  } finally {
    timer.stop();
    await reader.cancel().catch(() => undefined);
  }
}

function refusal(status: number, body: string): Error {
  const cause = new Error(`status ${status}: ${body.slice(0, 1000)}`);
  if (status === 401 || status === 403) {
    return misconfigured(
      'the IPFS node refuses this server: put the login of its API.Authorizations into IPFS_API_URL (http://user:password@host:5001)',
      cause,
    );
  }
  if (status === 500) return new NodeFault(messageOf(body));
  if (status > 500 || status === 429) return away(cause);
  const hint = 'it must be the address of its RPC (port 5001), not of its gateway';
  return misconfigured(`the server at IPFS_API_URL does not accept the calls of an IPFS node: ${hint}`, cause);
}

function messageOf(body: string): string {
  try {
    return String((JSON.parse(body) as { Message?: unknown }).Message);
  } catch {
    return body.slice(0, 1000);
  }
}

/** @param cause for the log only; it may contain addresses */
export const away = (cause: unknown): AppError =>
  new AppError('unavailable', 'STORAGE_AWAY', 'The IPFS node does not answer, or has a fault: try again later.', {
    cause,
  });
