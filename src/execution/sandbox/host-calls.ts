import type { HostCallLimits } from '../run.js';

/** A run's calls to the host, from inside the sandbox. Every call has an answer that the agent can read, refused ones too. */
export class HostCalls {
  private count = 0;

  /**
   * @param limits what the agent may call
   * @param exchange sends a call to the server and waits for its answer
   */
  constructor(
    private readonly limits: HostCallLimits,
    private readonly exchange: (n: number, name: string, request: Uint8Array) => Uint8Array,
  ) {}

  /** Names of the methods that the agent may call. */
  get methods(): readonly string[] {
    return this.limits.methods;
  }

  /** Bytes of the longest request. */
  get maxRequestBytes(): number {
    return this.limits.maxRequestBytes;
  }

  /** @returns the answer: a JSON object, `{"error":{"code","message"}}` for a call that was refused or failed */
  call(name: string, request: Uint8Array): Uint8Array {
    const { limits } = this;
    if (!limits.methods.includes(name)) return notPermitted(name);
    if (request.length > limits.maxRequestBytes) return requestTooLarge(limits.maxRequestBytes);
    if (this.count >= limits.maxCalls) {
      return refusal('TOO_MANY_CALLS', `One attempt may make ${limits.maxCalls} calls, and this one has made them.`);
    }
    return this.exchange(this.count++, name, request);
  }
}

export const notPermitted = (name: string): Uint8Array =>
  refusal('NOT_PERMITTED', `This version may not call ${name.slice(0, 32)}: its permissions do not name it.`);

export const requestTooLarge = (maxBytes: number): Uint8Array =>
  refusal('REQUEST_TOO_LARGE', `A request may have ${maxBytes} bytes.`);

const refusal = (code: string, message: string): Uint8Array =>
  new TextEncoder().encode(JSON.stringify({ error: { code, message } }));
