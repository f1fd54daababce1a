import type { Socket } from 'node:net';
import { EgressRefusal } from './egress.js';
import type { JudgedAddress } from './addresses.js';
import type { Hop } from './hop.js';
import { isPublicAddress, unmapped } from './public-address.js';

/** How long a connection may take, TLS included, ms. */
const CONNECT_MS = 5000;
/** Most bytes of the status line and headers of an answer. */
export const MAX_ANSWER_HEADER_BYTES = 16_384;

export interface HopRequest {
  method: string;
  headers: Record<string, string>;
  body?: Buffer;
  maxResponseBytes: number;
}

/** An answer as it came. */
export interface RawAnswer {
  status: number;
  /** By lower-case names. */
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

/**
 * Sends one request on a connection of its own and closes it. Connections are not kept: one that served an agent could hold
 * bytes that its upstream sent ahead, as the answer for the next agent.
 * @param addresses where the host is; the name is not resolved again
 * @throws EgressRefusal; the signal's reason when it is aborted
 */
export async function exchange(
  hop: Hop,
  addresses: readonly JudgedAddress[],
  { method, headers, body, maxResponseBytes }: HopRequest,
  signal: AbortSignal,
): Promise<RawAnswer> {
  // Loaded when the first agent calls: other processes do not pay for it.
  const { buildConnector, Client } = await import('undici');
  const connect = buildConnector({
    timeout: CONNECT_MS,
    maxCachedSessions: 0,
    allowH2: false,
    rejectUnauthorized: true,
    autoSelectFamily: true,
    lookup: (_host, { all }, found) =>
      all ? found(null, [...addresses]) : found(null, addresses[0].address, addresses[0].family),
  });
  let isConnected = false;
  const client = new Client(hop.url.origin, {
    pipelining: 1,
    maxHeaderSize: MAX_ANSWER_HEADER_BYTES,
    maxResponseSize: maxResponseBytes,
    // The signal carries the one deadline.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: (options, established) => {
      const socket = connect({ ...options, port: String(hop.privateHost?.port ?? hop.port) }, (...outcome) => {
        isConnected = outcome[0] === null;
        established(...outcome);
      }) as unknown as Socket;
      socket.once('connect', () => {
        if (isExpected(hop, socket.remoteAddress)) return;
        socket.destroy(
          new EgressRefusal('ADDRESS_NOT_PUBLIC', `The host ${hop.host} answered at an address that is not public.`),
        );
      });
    },
  });
  try {
    const path = `${hop.url.pathname}${hop.url.search}`;
    const answer = await client.request({ method: method as 'GET', path, headers, body: body ?? null, signal });
    if (Number(answer.headers['content-length']) > maxResponseBytes && method !== 'HEAD')
      throw tooLarge(maxResponseBytes);
    return { status: answer.statusCode, headers: answer.headers, body: await collect(answer.body, maxResponseBytes) };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw explained(error as NodeJS.ErrnoException, hop, maxResponseBytes, isConnected);
  } finally {
    void client.destroy().catch(() => undefined);
  }
}

const isExpected = ({ privateHost }: Hop, peer = ''): boolean =>
  privateHost !== undefined || isPublicAddress(unmapped(peer));

async function collect(body: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const tooLarge = (maxBytes: number): EgressRefusal =>
  new EgressRefusal('RESPONSE_TOO_LARGE', `The answer has more than ${maxBytes} bytes. Ask for less.`);

/** Errors of undici, sockets and TLS in words for an agent. Their own text may name addresses. */
function explained(error: NodeJS.ErrnoException, { host }: Hop, maxBytes: number, isConnected: boolean): EgressRefusal {
  if (error instanceof EgressRefusal) return error;
  const { code = '' } = error;
  const options = { cause: error };
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') return tooLarge(maxBytes);
  if (code === 'UND_ERR_HEADERS_OVERFLOW') {
    const message = `The headers of the answer have more than ${MAX_ANSWER_HEADER_BYTES} bytes.`;
    return new EgressRefusal('RESPONSE_TOO_LARGE', message, options);
  }
  if (code === 'UND_ERR_CONNECT_TIMEOUT') {
    return new EgressRefusal(
      'UPSTREAM_TIMEOUT',
      `The host ${host} accepted no connection within ${CONNECT_MS} ms.`,
      options,
    );
  }
  if (isConnected) {
    return new EgressRefusal('UPSTREAM_FAILED', `The host ${host} closed the connection or broke HTTP/1.1.`, options);
  }
  const why = CERTIFICATE.test(code) ? 'has no certificate that can be verified' : 'cannot be reached';
  return new EgressRefusal('UPSTREAM_UNREACHABLE', `The host ${host} ${why}.`, options);
}

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS/;
