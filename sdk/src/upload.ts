import type { Schemas } from './api-types.js';
import { ConnectionError } from './errors.js';
import { addressOf, type Transport } from './transport.js';

export interface UploadOptions {
  /** Called with bytes sent and bytes in all. */
  onProgress?: (sent: number, total: number) => void;
  signal?: AbortSignal;
}

interface Upload {
  method: string;
  path: string;
  body: FormData | Blob;
  contentType?: string;
  isRepeatable: boolean;
}

/** Bytes handed over at a time, so that progress shows. */
const PIECE = 64 * 1024;

/**
 * Sends a body and reports how much of it is sent. Browsers do that by XMLHttpRequest alone, Node.js by a stream.
 * @throws ApiError, ConnectionError, the reason of the signal
 */
export async function upload<T>(transport: Transport, request: Upload, options: UploadOptions): Promise<T> {
  if (options.onProgress && typeof XMLHttpRequest !== 'undefined') return byXmlHttpRequest(transport, request, options);
  const { onProgress, signal } = options;
  const encoded = new Response(request.body);
  const contentType = request.contentType ?? encoded.headers.get('content-type')!;
  const bytes = new Uint8Array(await encoded.arrayBuffer());
  const response = await transport.send({
    method: request.method,
    path: request.path,
    headers: { 'content-type': contentType },
    body: () => (onProgress ? inPieces(bytes, onProgress) : bytes),
    signal,
    isRepeatable: request.isRepeatable,
  });
  return (await response.json()) as T;
}

function inPieces(bytes: Uint8Array<ArrayBuffer>, onProgress: (sent: number, total: number) => void) {
  let sent = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (sent === bytes.length) return controller.close();
      const piece = bytes.subarray(sent, sent + PIECE);
      sent += piece.length;
      controller.enqueue(piece);
      onProgress(sent, bytes.length);
    },
  });
}

/** What is used of a browser's XMLHttpRequest. */
interface Xhr {
  upload: { onprogress: (event: { loaded: number; total: number }) => void };
  status: number;
  responseText: string;
  onload: () => void;
  onerror: () => void;
  onabort: () => void;
  open(method: string, url: string): void;
  setRequestHeader(name: string, value: string): void;
  getResponseHeader(name: string): string | null;
  send(body: FormData | Blob): void;
  abort(): void;
}
declare const XMLHttpRequest: new () => Xhr;

async function byXmlHttpRequest<T>(transport: Transport, upload: Upload, options: UploadOptions): Promise<T> {
  const response = await transport.withRetries(
    { signal: options.signal, isRepeatable: upload.isRepeatable },
    async () => {
      const headers = await transport.authorisedHeaders(
        upload.contentType ? { 'content-type': upload.contentType } : undefined,
      );
      return sendByXhr(addressOf(transport.base, upload), upload, headers, options);
    },
  );
  return (await response.json()) as T;
}

function sendByXhr(url: string, upload: Upload, headers: Record<string, string>, options: UploadOptions) {
  const { onProgress, signal } = options;
  return new Promise<Response>((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(upload.method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    const abort = () => request.abort();
    signal?.addEventListener('abort', abort, { once: true });
    const settle = (act: () => void) => () => {
      signal?.removeEventListener('abort', abort);
      act();
    };
    request.upload.onprogress = ({ loaded, total }) => onProgress?.(loaded, total);
    request.onload = settle(() => {
      const retryAfter = request.getResponseHeader('retry-after');
      const answerHeaders = new Headers(retryAfter ? { 'retry-after': retryAfter } : undefined);
      resolve(new Response(request.responseText || null, { status: request.status, headers: answerHeaders }));
    });
    request.onerror = settle(() => reject(new ConnectionError('UNREACHABLE', `${url} cannot be reached.`)));
    request.onabort = settle(() => reject(signal?.reason as Error));
    request.send(upload.body);
  });
}

/** What an upload of a version says besides its bytes; all of it is optional for an agent that exists. */
export interface VersionForm {
  name?: string;
  description?: string;
  /** semver; unset: the next patch. */
  version?: string;
  capabilities?: readonly string[];
  /** Credits for one task. */
  price?: string | number;
  price_per_kb?: string | number;
  surge?: number;
  max_concurrency?: number;
  region?: string;
  expected_duration_ms?: number;
  limits?: Schemas['VersionLimitsDto'];
  permissions?: Schemas['PermissionsDto'];
  input_schema?: unknown;
  output_schema?: unknown;
}

/** @param wasm the binary */
export function versionForm(wasm: Uint8Array<ArrayBuffer> | Blob, form: VersionForm): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(form)) {
    if (value === undefined || value === null) continue;
    if (name === 'capabilities') data.set(name, JSON.stringify(value));
    else data.set(name, typeof value === 'object' ? JSON.stringify(value) : String(value));
  }
  // The file last: the server reads the fields before it.
  data.set('wasm_binary', wasm instanceof Blob ? wasm : new Blob([wasm], { type: 'application/wasm' }), 'agent.wasm');
  return data;
}
