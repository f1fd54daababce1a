import { trap } from '../component/faults.js';
import type { HostFunctionCode, HostInterface } from '../component/host-interface.js';
import type { Case } from '../component/value-type.js';
import { type HostCalls, notPermitted } from '../host-calls.js';
import type { HostClock } from '../host-clock.js';
import { FieldBytes, Fields } from './http-fields.js';
import {
  FutureResponse,
  FutureTrailers,
  IncomingBody,
  IncomingResponse,
  OutgoingBody,
  OutgoingRequest,
  ResponsePollable,
} from './http-messages.js';
import { done, ERROR_CODE, errorOf, failed, HEADER_ERROR, METHOD, SCHEME } from './http-types.js';
import { none, ok, Pollable } from './streams.js';

/** The host call behind `wasi:http/outgoing-handler`. */
const FETCH = 'http.fetch';
/** Headers that clients set and the host decides: it sends the right length, and decompresses nothing. */
const DECIDED_BY_HOST = ['content-length', 'accept-encoding'];
/** Bodies of requests that one run may have in the making. */
const MOST_OPEN = 64;

export interface HttpHost {
  clock: HostClock;
  calls: HostCalls | undefined;
  /** Writes a line to the agent's standard error: WASI's error codes have no text. */
  explain: (line: string) => void;
}

/**
 * `wasi:http/outgoing-handler` over the host call `http.fetch`: the permission, the rules and the limits of that call hold.
 * A request is sent when its body is complete. The sandbox then waits for the whole answer.
 */
export function httpInterfaces(host: HttpHost): [string, HostInterface][] {
  const { clock } = host;
  const bodies = new Set<OutgoingBody>();
  const newBody = (): OutgoingBody => {
    if (bodies.size === MOST_OPEN) trap(`more than ${MOST_OPEN} requests have bodies that were not sent`);
    const body = new OutgoingBody(bodyBytes(host), (released) => bodies.delete(released));
    bodies.add(body);
    return body;
  };
  const fieldBytes = new FieldBytes();
  const send = (request: OutgoingRequest): Case => sent(host, request, fieldBytes);
  const handle = (request: OutgoingRequest): Case => ok(new FutureResponse(request, send));
  return [
    [
      'wasi:http/outgoing-handler',
      {
        resources: new Map(),
        functions: new Map<string, HostFunctionCode>([
          [
            'handle',
            {
              type: `(own<outgoing-request>, option<own<request-options>>) -> result<own<future-incoming-response>, ${ERROR_CODE}>`,
              call: handle,
            },
          ],
        ]),
      },
    ],
    [
      'wasi:http/types',
      {
        resources: new Map<string, abstract new (...args: never[]) => object>([
          ['fields', Fields],
          ['outgoing-request', OutgoingRequest],
          ['outgoing-body', OutgoingBody],
          ['request-options', RequestOptions],
          ['future-incoming-response', FutureResponse],
          ['incoming-response', IncomingResponse],
          ['incoming-body', IncomingBody],
          ['future-trailers', FutureTrailers],
          ['incoming-request', IncomingRequest],
          ['outgoing-response', OutgoingResponse],
          ['response-outparam', ResponseOutparam],
        ]),
        functions: new Map<string, HostFunctionCode>([
          ['http-error-code', { type: `(borrow<error>) -> option<${ERROR_CODE}>`, call: () => none }],
          ...fields(fieldBytes),
          ...outgoing(newBody),
          ...incoming(clock),
        ]),
      },
    ],
  ];
}

class RequestOptions {}
/** Resources of servers, which components can name and never get. */
abstract class IncomingRequest {}
abstract class OutgoingResponse {}
abstract class ResponseOutparam {}

/** Where no call is allowed, the refusal names the permission, not the size. */
const bodyBytes = ({ calls }: HttpHost): number => calls?.maxRequestBytes ?? 65_536;

/** @returns `result<incoming-response, error-code>` */
function sent({ calls, explain }: HttpHost, request: OutgoingRequest, fieldBytes: FieldBytes): Case {
  const refused = (code: string, message: string): Case => {
    explain(`${FETCH}: ${code}: ${message}`);
    return failed(errorOf(code, message));
  };
  if (request.body?.end === 'dropped')
    return refused('BODY_INCOMPLETE', 'The body was dropped before it was finished.');
  if (request.body?.end === 'too large') {
    return refused('REQUEST_TOO_LARGE', `A request may have ${calls?.maxRequestBytes ?? 0} bytes.`);
  }
  const body = request.body?.bytes ?? new Uint8Array(0);
  const headers = request.headers.toRecord();
  for (const name of DECIDED_BY_HOST) delete headers[name];
  const content = body.length > 0 && { body_base64: Buffer.from(body).toString('base64') };
  const asked = JSON.stringify({ method: request.methodName, url: request.url, headers, ...content });
  const answer = calls?.call(FETCH, new TextEncoder().encode(asked)) ?? notPermitted(FETCH);
  const read = JSON.parse(new TextDecoder().decode(answer)) as Answer;
  if (read.error) return refused(read.error.code, read.error.message);
  const bytes = Buffer.from(read.body ?? read.body_base64 ?? '', read.body === undefined ? 'base64' : 'utf8');
  return ok(new IncomingResponse(read.status, Fields.received(fieldBytes, read.headers), bytes));
}

/** What the host call `http.fetch` answers. */
interface Answer {
  error?: { code: string; message: string };
  status: number;
  headers: Record<string, string>;
  body?: string;
  body_base64?: string;
}

type Entries = [string, HostFunctionCode][];

const VALUE = 'list<u8>';
const RESULT = 'result<_, _>';
const FIELDS_RESULT = `result<_, ${HEADER_ERROR}>`;
const ENTRY_LIST = `list<tuple<string, ${VALUE}>>`;

const fields = (total: FieldBytes): Entries => [
  ['[constructor]fields', { type: '() -> own<fields>', call: () => new Fields(total) }],
  [
    '[static]fields.from-list',
    {
      type: `(${ENTRY_LIST}) -> result<own<fields>, ${HEADER_ERROR}>`,
      call: (entries: [string, Uint8Array][]) => Fields.fromList(total, entries),
    },
  ],
  [
    '[method]fields.get',
    { type: `(borrow<fields>, string) -> list<${VALUE}>`, call: (self: Fields, name: string) => self.get(name) },
  ],
  [
    '[method]fields.has',
    { type: '(borrow<fields>, string) -> bool', call: (self: Fields, name: string) => self.has(name) },
  ],
  [
    '[method]fields.set',
    {
      type: `(borrow<fields>, string, list<${VALUE}>) -> ${FIELDS_RESULT}`,
      call: (self: Fields, name: string, values: Uint8Array[]) => self.set(name, values),
    },
  ],
  [
    '[method]fields.delete',
    { type: `(borrow<fields>, string) -> ${FIELDS_RESULT}`, call: (self: Fields, name: string) => self.delete(name) },
  ],
  [
    '[method]fields.append',
    {
      type: `(borrow<fields>, string, ${VALUE}) -> ${FIELDS_RESULT}`,
      call: (self: Fields, name: string, value: Uint8Array) => self.append(name, value),
    },
  ],
  ['[method]fields.entries', { type: `(borrow<fields>) -> ${ENTRY_LIST}`, call: (self: Fields) => self.list() }],
  ['[method]fields.clone', { type: '(borrow<fields>) -> own<fields>', call: (self: Fields) => self.clone() }],
];

/** Getter and setter of a property of requests. */
function property(
  name: string,
  type: string,
  get: (self: OutgoingRequest) => Case,
  set: (self: OutgoingRequest, value: Case) => Case,
): Entries {
  return [
    [`[method]outgoing-request.${name}`, { type: `(borrow<outgoing-request>) -> ${type}`, call: get }],
    [`[method]outgoing-request.set-${name}`, { type: `(borrow<outgoing-request>, ${type}) -> ${RESULT}`, call: set }],
  ];
}

const outgoing = (newBody: () => OutgoingBody): Entries => [
  [
    '[constructor]outgoing-request',
    {
      type: '(own<fields>) -> own<outgoing-request>',
      call: (headers: Fields) => new OutgoingRequest(headers, newBody),
    },
  ],
  [
    '[method]outgoing-request.body',
    {
      type: '(borrow<outgoing-request>) -> result<own<outgoing-body>, _>',
      call: (self: OutgoingRequest) => self.takeBody(),
    },
  ],
  [
    '[method]outgoing-request.headers',
    { type: '(borrow<outgoing-request>) -> own<fields>', call: (self: OutgoingRequest) => self.headers },
  ],
  ...property(
    'method',
    METHOD,
    (self) => self.method,
    (self, value) => self.setMethod(value),
  ),
  ...property(
    'scheme',
    `option<${SCHEME}>`,
    (self) => self.scheme,
    (self, value) => self.setScheme(value),
  ),
  ...property(
    'authority',
    'option<string>',
    (self) => self.authority,
    (self, value) => self.setText('authority', value),
  ),
  ...property(
    'path-with-query',
    'option<string>',
    (self) => self.path,
    (self, value) => self.setText('path', value),
  ),
  [
    '[method]outgoing-body.write',
    {
      type: '(borrow<outgoing-body>) -> result<own<output-stream>, _>',
      call: (self: OutgoingBody) => self.takeStream(),
    },
  ],
  [
    '[static]outgoing-body.finish',
    {
      type: `(own<outgoing-body>, option<own<fields>>) -> result<_, ${ERROR_CODE}>`,
      call: (self: OutgoingBody, trailers: Case) => {
        self.finish(trailers.case === 0 ? 'finished' : 'dropped');
        return trailers.case === 0 ? done : failed(errorOf('NO_TRAILERS', 'A request cannot have trailers.'));
      },
    },
  ],
  ['[constructor]request-options', { type: '() -> own<request-options>', call: () => new RequestOptions() }],
  ...['connect-timeout', 'first-byte-timeout', 'between-bytes-timeout'].flatMap((name): Entries => [
    [`[method]request-options.${name}`, { type: '(borrow<request-options>) -> option<u64>', call: () => none }],
    // As WASI has it, an error says that the host does not support the option: it has timeouts of its own.
    [
      `[method]request-options.set-${name}`,
      { type: `(borrow<request-options>, option<u64>) -> ${RESULT}`, call: () => failed() },
    ],
  ]),
];

const incoming = (clock: HostClock): Entries => [
  [
    '[method]future-incoming-response.subscribe',
    {
      type: '(borrow<future-incoming-response>) -> own<pollable>',
      call: (self: FutureResponse) => new ResponsePollable(clock, self),
    },
  ],
  [
    '[method]future-incoming-response.get',
    {
      type: `(borrow<future-incoming-response>) -> option<result<result<own<incoming-response>, ${ERROR_CODE}>, _>>`,
      call: (self: FutureResponse) => self.take(),
    },
  ],
  [
    '[method]incoming-response.status',
    { type: '(borrow<incoming-response>) -> u16', call: (self: IncomingResponse) => self.status },
  ],
  [
    '[method]incoming-response.headers',
    { type: '(borrow<incoming-response>) -> own<fields>', call: (self: IncomingResponse) => self.headers },
  ],
  [
    '[method]incoming-response.consume',
    {
      type: '(borrow<incoming-response>) -> result<own<incoming-body>, _>',
      call: (self: IncomingResponse) => self.consume(),
    },
  ],
  [
    '[method]incoming-body.stream',
    {
      type: '(borrow<incoming-body>) -> result<own<input-stream>, _>',
      call: (self: IncomingBody) => self.takeStream(),
    },
  ],
  [
    '[static]incoming-body.finish',
    { type: '(own<incoming-body>) -> own<future-trailers>', call: () => new FutureTrailers() },
  ],
  [
    '[method]future-trailers.subscribe',
    { type: '(borrow<future-trailers>) -> own<pollable>', call: () => new Pollable(clock) },
  ],
  [
    '[method]future-trailers.get',
    {
      type: `(borrow<future-trailers>) -> option<result<result<option<own<fields>>, ${ERROR_CODE}>, _>>`,
      call: (self: FutureTrailers) => self.take(),
    },
  ],
];
