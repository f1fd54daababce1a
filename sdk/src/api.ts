import type { AnswerOf, Method, PathOf, RequestOf, RequestOptions } from './api-types.js';
import { type ClientOptions, jsonRequest, Transport } from './transport.js';

interface LooseRequest extends RequestOptions {
  path?: Record<string, unknown>;
  query?: Record<string, unknown>;
  body?: unknown;
}

/** The routes of a server, by the types of its OpenAPI document. */
export class Api {
  /** Sends requests; for routes that `request` does not cover. */
  readonly transport: Transport;

  constructor(options: ClientOptions) {
    this.transport = new Transport(options);
  }

  /**
   * Calls any route of the API that takes and gives JSON: `client.request('GET', '/tasks/{id}', { path: { id } })`.
   * @throws ApiError when the server refuses it; ConnectionError when no answer comes; the reason of the signal
   */
  async request<M extends Method, P extends PathOf<M>>(
    method: M,
    route: P,
    ...[request]: object extends RequestOf<M, P> ? [RequestOf<M, P>?] : [RequestOf<M, P>]
  ): Promise<AnswerOf<M, P>> {
    const { path = {}, query, body, idempotencyKey, signal } = (request ?? {}) as LooseRequest;
    const filled = route.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(path[name])));
    const outgoing = jsonRequest(method, filled, body);
    const response = await this.transport.send({
      ...outgoing,
      query,
      signal,
      headers: { ...outgoing.headers, ...(idempotencyKey && { 'idempotency-key': idempotencyKey }) },
      isRepeatable: outgoing.isRepeatable || idempotencyKey !== undefined,
    });
    const text = await response.text();
    return (text === '' ? undefined : JSON.parse(text)) as AnswerOf<M, P>;
  }
}
