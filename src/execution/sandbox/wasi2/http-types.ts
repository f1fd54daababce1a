import type { Case } from '../component/value-type.js';
import { none, ok } from './streams.js';

// The types of `wasi:http/types` 0.2 as `FunctionType.describe` writes them, and values of them.

const OPTIONAL_TEXT = 'option<string>';
const FIELD_SIZE = `record{field-name: ${OPTIONAL_TEXT}, field-size: option<u32>}`;

export const METHOD = 'variant{get, head, post, put, delete, connect, options, trace, patch, other(string)}' as const;
export const SCHEME = 'variant{HTTP, HTTPS, other(string)}';
export const HEADER_ERROR = 'variant{invalid-syntax, forbidden, immutable}';

/** The names of the methods' cases; the last is `other`. */
export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const;

/** The cases of `error-code` with the types of what they carry, in their order. */
const ERROR_CASES = [
  ['DNS-timeout'],
  ['DNS-error', `record{rcode: ${OPTIONAL_TEXT}, info-code: option<u16>}`],
  ['destination-not-found'],
  ['destination-unavailable'],
  ['destination-IP-prohibited'],
  ['destination-IP-unroutable'],
  ['connection-refused'],
  ['connection-terminated'],
  ['connection-timeout'],
  ['connection-read-timeout'],
  ['connection-write-timeout'],
  ['connection-limit-reached'],
  ['TLS-protocol-error'],
  ['TLS-certificate-error'],
  ['TLS-alert-received', `record{alert-id: option<u8>, alert-message: ${OPTIONAL_TEXT}}`],
  ['HTTP-request-denied'],
  ['HTTP-request-length-required'],
  ['HTTP-request-body-size', 'option<u64>'],
  ['HTTP-request-method-invalid'],
  ['HTTP-request-URI-invalid'],
  ['HTTP-request-URI-too-long'],
  ['HTTP-request-header-section-size', 'option<u32>'],
  ['HTTP-request-header-size', `option<${FIELD_SIZE}>`],
  ['HTTP-request-trailer-section-size', 'option<u32>'],
  ['HTTP-request-trailer-size', FIELD_SIZE],
  ['HTTP-response-incomplete'],
  ['HTTP-response-header-section-size', 'option<u32>'],
  ['HTTP-response-header-size', FIELD_SIZE],
  ['HTTP-response-body-size', 'option<u64>'],
  ['HTTP-response-trailer-section-size', 'option<u32>'],
  ['HTTP-response-trailer-size', FIELD_SIZE],
  ['HTTP-response-transfer-coding', OPTIONAL_TEXT],
  ['HTTP-response-content-coding', OPTIONAL_TEXT],
  ['HTTP-response-timeout'],
  ['HTTP-upgrade-failed'],
  ['HTTP-protocol-error'],
  ['loop-detected'],
  ['configuration-error'],
  ['internal-error', OPTIONAL_TEXT],
] as const;

type ErrorCase = (typeof ERROR_CASES)[number][0];

export const ERROR_CODE = `variant{${ERROR_CASES.map(([name, type]) => (type ? `${name}(${type})` : name)).join(', ')}}`;

/** What the codes of `http.fetch` are in the terms of WASI. All others are internal errors with their text. */
const CASE_OF_CODE: Readonly<Record<string, ErrorCase>> = {
  NOT_PERMITTED: 'HTTP-request-denied',
  HOST_NOT_ALLOWED: 'HTTP-request-denied',
  PORT_NOT_ALLOWED: 'HTTP-request-denied',
  METHOD_NOT_ALLOWED: 'HTTP-request-denied',
  INSECURE_REDIRECT: 'HTTP-request-denied',
  URL_NOT_ALLOWED: 'HTTP-request-URI-invalid',
  REQUEST_TOO_LARGE: 'HTTP-request-body-size',
  HOST_NOT_FOUND: 'DNS-error',
  ADDRESS_NOT_PUBLIC: 'destination-IP-prohibited',
  UPSTREAM_UNREACHABLE: 'connection-refused',
  UPSTREAM_TIMEOUT: 'HTTP-response-timeout',
  UPSTREAM_FAILED: 'HTTP-protocol-error',
  RESPONSE_TOO_LARGE: 'HTTP-response-body-size',
  TOO_MANY_REDIRECTS: 'loop-detected',
  EGRESS_BUSY: 'connection-limit-reached',
  TOO_MANY_CALLS: 'connection-limit-reached',
};

/** @param code of a host call that was refused or failed @returns an `error-code` */
export function errorOf(code: string, message: string): Case {
  const name = Object.hasOwn(CASE_OF_CODE, code) ? CASE_OF_CODE[code] : 'internal-error';
  const index = ERROR_CASES.findIndex(([one]) => one === name);
  if (name === 'internal-error') return { case: index, value: some(`${code}: ${message}`) };
  if (name === 'DNS-error') return { case: index, value: [none, none] };
  return ERROR_CASES[index].length > 1 ? { case: index, value: none } : { case: index };
}

export const some = (value: Case['value']): Case => ({ case: 1, value });
export const failed = (value?: Case['value']): Case => ({ case: 1, value });
export const done = ok();
