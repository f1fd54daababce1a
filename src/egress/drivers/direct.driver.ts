import { VERSION } from '../../common/version.js';
import type { EgressConfig } from '../../config/index.js';
import { Addresses } from '../addresses.js';
import { present } from '../answer.js';
import { ConnectionSlots } from '../connection-slots.js';
import { type Egress, type EgressOutcome, EgressRefusal, type EgressRequest, type EgressRules } from '../egress.js';
import { exchange, type RawAnswer } from '../exchange.js';
import { type Hop, judgeHop } from '../hop.js';
import { checkHeaders, headersOf } from '../request-headers.js';

const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Redirects after which a body is sent again. */
const KEEPS_METHOD = new Set([307, 308]);
/** Headers that describe a body. */
const OF_BODY = ['content-type', 'content-encoding', 'content-language', 'content-location'];

/** Opens the connections in this process. */
export class DirectEgress implements Egress {
  private readonly addresses: Addresses;
  private readonly slots: ConnectionSlots;

  constructor(private readonly config: EgressConfig) {
    this.addresses = new Addresses(config.dnsServers);
    this.slots = new ConnectionSlots(config.connections);
  }

  async ping(): Promise<void> {}

  async fetch(request: EgressRequest, rules: EgressRules, signal: AbortSignal): Promise<EgressOutcome> {
    const { timeoutMs } = this.config;
    const deadline = new AbortController();
    const end = (code: 'CALL_ENDED' | 'UPSTREAM_TIMEOUT', message: string) => (): void =>
      deadline.abort(new EgressRefusal(code, message));
    const onEnd = end('CALL_ENDED', 'The attempt has ended.');
    const timer = setTimeout(end('UPSTREAM_TIMEOUT', `No complete answer within ${timeoutMs} ms.`), timeoutMs);
    signal.addEventListener('abort', onEnd);
    if (signal.aborted) onEnd();
    try {
      return await this.follow(request, rules, deadline.signal);
    } catch (error) {
      if (!(error instanceof EgressRefusal)) throw error;
      return { end: 'refused', code: error.code, message: error.message };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onEnd);
    }
  }

  private async follow(request: EgressRequest, rules: EgressRules, signal: AbortSignal): Promise<EgressOutcome> {
    const headers = checkHeaders(request.headers);
    let { method } = request;
    signal.throwIfAborted();
    let body = this.bodyOf(request);
    const first = judgeHop(request.url, method, rules, this.config.ceiling);
    for (let hop = first, redirects = 0; ; redirects++) {
      const filled = headersOf(hop, first, headers, request);
      const answer = await this.send(request.tenant, hop, { method, headers: filled.headers, body }, signal);
      const location = REDIRECTS.has(answer.status) && answer.headers.location;
      if (!location || request.maxRedirects === 0) return present(answer, filled.used);
      if (redirects === MAX_REDIRECTS) {
        throw new EgressRefusal('TOO_MANY_REDIRECTS', `The answer is another redirect (limit ${MAX_REDIRECTS}).`);
      }
      if (!KEEPS_METHOD.has(answer.status) && method !== 'GET' && method !== 'HEAD') {
        method = 'GET';
        body = undefined;
        for (const name of OF_BODY) headers.delete(name);
      }
      const next = judgeHop(String(location), method, rules, this.config.ceiling, hop.url);
      if (hop.isHttps && !next.isHttps) {
        throw new EgressRefusal('INSECURE_REDIRECT', `The host ${hop.host} redirects from https to http.`);
      }
      hop = next;
    }
  }

  private async send(
    tenant: string,
    hop: Hop,
    { method, headers, body }: { method: string; headers: Record<string, string>; body?: Buffer },
    signal: AbortSignal,
  ): Promise<RawAnswer> {
    const release = this.slots.take(tenant, hop.host);
    try {
      const addresses = await this.addresses.of(hop, signal);
      const own = { 'user-agent': `ZeroState/${VERSION}`, ...headers, 'accept-encoding': 'identity' };
      const { maxResponseBytes } = this.config;
      return await exchange(hop, addresses, { method, headers: own, body, maxResponseBytes }, signal);
    } finally {
      release();
    }
  }

  private bodyOf({ body }: EgressRequest): Buffer | undefined {
    if (body === undefined) return undefined;
    const bytes = Buffer.from(body, 'base64');
    const { maxRequestBytes } = this.config;
    if (bytes.length <= maxRequestBytes) return bytes;
    throw new EgressRefusal('REQUEST_TOO_LARGE', `The body has ${bytes.length} bytes (limit ${maxRequestBytes}).`);
  }
}
