import { GrowingBytes } from '../growing-bytes.js';
import type { HostClock } from '../host-clock.js';
import type { Case, Value } from '../component/value-type.js';
import { done, failed, METHODS, some } from './http-types.js';
import type { Fields } from './http-fields.js';
import { CLOSED, InputStream, none, ok, OutputStream, Pollable } from './streams.js';

/** Visible characters without spaces: what a URL may consist of. */
const URL_PART = /^[\u0021-\u007e]*$/;
const MOST_URL_BYTES = 8192;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/;

/** Sends a request, unless its body is incomplete, and waits for the answer. @returns `result<incoming-response, error-code>` */
export type Send = (request: OutgoingRequest) => Case;

/** `outgoing-request`: to be handed to `outgoing-handler.handle`. */
export class OutgoingRequest {
  method: Case = { case: 0 };
  scheme: Case = none;
  authority: Case = none;
  path: Case = none;
  /** Once the guest has taken it. */
  body?: OutgoingBody;

  constructor(
    readonly headers: Fields,
    private readonly newBody: () => OutgoingBody,
  ) {
    headers.freeze();
  }

  /** The last handle is gone, so it will never be sent. */
  dropped(): void {
    this.body?.release();
  }

  takeBody(): Case {
    if (this.body) return failed();
    this.body = this.newBody();
    return ok(this.body);
  }

  setMethod(method: Case): Case {
    if (method.case === METHODS.length && !TOKEN.test(method.value as string)) return failed();
    this.method = method;
    return done;
  }

  /** @param scheme `option<scheme>`; only HTTP and HTTPS can be reached */
  setScheme(scheme: Case): Case {
    if (scheme.case === 1 && (scheme.value as Case).case > 1) return failed();
    this.scheme = scheme;
    return done;
  }

  setText(part: 'authority' | 'path', text: Case): Case {
    const value = (text.value ?? '') as string;
    if (value.length > MOST_URL_BYTES || !URL_PART.test(value)) return failed();
    this[part] = text;
    return done;
  }

  get methodName(): string {
    return METHODS[this.method.case] ?? (this.method.value as string);
  }

  get url(): string {
    const scheme = (this.scheme.value as Case | undefined)?.case === 0 ? 'http' : 'https';
    return `${scheme}://${(this.authority.value ?? '') as string}${(this.path.value ?? '/') as string}`;
  }
}

/** `outgoing-body`: what the guest writes before the request is sent. */
export class OutgoingBody {
  private written: GrowingBytes;
  private stream?: OutputStream;
  /** How the guest ended it; undefined while it may still write. */
  end?: 'finished' | 'dropped' | 'too large';
  private overflowed = false;
  /** Called once, at the end. */
  onEnd?: () => void;

  /** @param onRelease called when its bytes are no longer kept */
  constructor(
    maxBytes: number,
    private readonly onRelease: (body: OutgoingBody) => void,
  ) {
    this.written = new GrowingBytes(maxBytes);
  }

  get bytes(): Uint8Array {
    return this.written.bytes;
  }

  takeStream(): Case {
    if (this.stream) return failed();
    this.stream = new BodyStream(this);
    return ok(this.stream);
  }

  /** Bytes beyond the limit are dropped, and the request is then refused: some guests trap when a stream fails. */
  write(bytes: Uint8Array): Case {
    if (this.end) return CLOSED;
    this.overflowed ||= bytes.length > this.written.room;
    if (!this.overflowed) this.written.write(bytes);
    return ok();
  }

  finish(end: OutgoingBody['end'] = 'finished'): void {
    if (this.end) return;
    this.end = this.overflowed ? 'too large' : end;
    this.onEnd?.();
  }

  /** Forgets what was written. */
  release(): void {
    this.end ??= 'dropped';
    this.written = new GrowingBytes(0);
    this.onRelease(this);
  }

  /** The last handle is gone: without `finish`, the body is incomplete. */
  dropped(): void {
    this.finish('dropped');
  }
}

class BodyStream extends OutputStream {
  constructor(private readonly body: OutgoingBody) {
    super(() => undefined);
  }

  override write(bytes: Uint8Array): Case {
    return this.body.write(bytes);
  }
}

/** `future-incoming-response`: the request is sent when its body is complete, and the answer is there at once. */
export class FutureResponse {
  private answer?: Case;
  private taken = false;

  constructor(
    private readonly request: OutgoingRequest,
    private readonly send: Send,
  ) {
    const { body } = request;
    if (!body || body.end) this.begin();
    else body.onEnd = () => this.begin();
  }

  get ready(): boolean {
    return this.answer !== undefined;
  }

  /** @returns `option<result<result<incoming-response, error-code>>>` */
  take(): Case {
    if (!this.answer) return none;
    if (this.taken) return some(failed());
    this.taken = true;
    return some(ok(this.answer));
  }

  private begin(): void {
    this.answer = this.send(this.request);
    this.request.body?.release();
  }
}

/** Ready once its response is there. Nothing but the guest itself can bring it nearer, so waiting for it alone is vain. */
export class ResponsePollable extends Pollable {
  constructor(
    clock: HostClock,
    private readonly response: FutureResponse,
  ) {
    super(clock);
  }

  override get waitMs(): number {
    return this.response.ready ? 0 : Infinity;
  }
}

/** `incoming-response` */
export class IncomingResponse {
  private consumed = false;

  constructor(
    readonly status: number,
    readonly headers: Fields,
    private readonly body: Uint8Array,
  ) {}

  consume(): Case {
    if (this.consumed) return failed();
    this.consumed = true;
    return ok(new IncomingBody(this.body));
  }
}

/** `incoming-body` */
export class IncomingBody {
  private taken = false;

  constructor(private readonly bytes: Uint8Array) {}

  takeStream(): Case {
    if (this.taken) return failed();
    this.taken = true;
    return ok(new InputStream(this.bytes) as Value);
  }
}

/** `future-trailers`: there are never any. */
export class FutureTrailers {
  private taken = false;

  /** @returns `option<result<result<option<trailers>, error-code>>>` */
  take(): Case {
    if (this.taken) return some(failed());
    this.taken = true;
    return some(ok(ok(none)));
  }
}
