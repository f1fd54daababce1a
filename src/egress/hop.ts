import { isIP } from 'node:net';
import { isPublicHostName } from '../common/public-host.js';
import { EgressRefusal, type EgressRules } from './egress.js';
import { isPublicAddress } from './public-address.js';

/** The operator's limits, whatever versions may ask. */
export interface Ceiling {
  hosts: readonly HostPattern[];
  methods: readonly string[];
  /** Services of the operator whose addresses need not be public, by `host:port`. */
  privateHosts: ReadonlyMap<string, PrivateHost>;
}

/** Hosts that agents may reach. */
export interface HostPattern {
  /** A full name, `*.example.org` for every name below it, or `*` for all. */
  host: string;
  /** Unset: the usual port of http or https. */
  port?: number;
}

/** Where a private host is found. Without an address its name is resolved. */
export interface PrivateHost {
  address?: string;
  port: number;
}

/** One request of an exchange, allowed by version and operator. Its address is not known yet. */
export interface Hop {
  url: URL;
  host: string;
  port: number;
  isHttps: boolean;
  /** Set for a service of the operator. */
  privateHost?: PrivateHost;
}

/** Longest URL, characters. */
export const MAX_URL = 8192;

/** Characters that URL parsers remove or change without notice, so that two parsers disagree about the host. */
// oxlint-disable-next-line no-control-regex
const AMBIGUOUS = /[\u0000-\u001f\u007f\\]/;

/** A request that a version has permission for. The operator may still refuse it. */
export type Target = Pick<Hop, 'url' | 'host' | 'port' | 'isHttps'>;

/**
 * Judges a request by its URL, its method and the version's permissions.
 * @param base URL that redirected here
 * @throws EgressRefusal
 */
export function permittedTarget(text: string, method: string, rules: EgressRules, base?: URL): Target {
  const url = parse(text, base);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0) {
    if (!isPublicAddress(host)) throw new EgressRefusal('ADDRESS_NOT_PUBLIC', `The address ${host} is not public.`);
    throw new EgressRefusal('HOST_NOT_ALLOWED', 'The URL names an address. Use the name of a host.');
  }
  if (!rules.hosts.includes(host)) {
    throw new EgressRefusal(
      'HOST_NOT_ALLOWED',
      `The version has no permission for the host ${host}. Name it in permissions.http.hosts.`,
    );
  }
  if (!rules.methods.includes(method)) {
    throw new EgressRefusal(
      'METHOD_NOT_ALLOWED',
      `The version has no permission for the method ${method}. Name it in permissions.http.methods.`,
    );
  }
  const isHttps = url.protocol === 'https:';
  return { url, host, isHttps, port: url.port === '' ? usualPort(isHttps) : Number(url.port) };
}

/** Judges a request by everything that is known before its host is resolved. Parameters and errors as above. */
export function judgeHop(text: string, method: string, rules: EgressRules, ceiling: Ceiling, base?: URL): Hop {
  const target = permittedTarget(text, method, rules, base);
  const { host, port, isHttps } = target;
  const privateHost = ceiling.privateHosts.get(`${host}:${port}`);
  if (!privateHost) {
    if (!isPublicHostName(host)) {
      const message = `${host} is not the full name of a public host, such as api.example.com.`;
      throw new EgressRefusal('HOST_NOT_ALLOWED', message);
    }
    assertCeiling(host, port, port === usualPort(isHttps), ceiling);
  }
  if (!ceiling.methods.includes(method)) {
    throw new EgressRefusal('METHOD_NOT_ALLOWED', `The operator of this market does not allow the method ${method}.`);
  }
  return { ...target, privateHost };
}

const usualPort = (isHttps: boolean): number => (isHttps ? 443 : 80);

function parse(text: string, base?: URL): URL {
  if (text.length > MAX_URL) throw notAllowed(`The URL has ${text.length} characters (limit ${MAX_URL}).`);
  if (AMBIGUOUS.test(text)) throw notAllowed('The URL contains a backslash or a control character. Encode it.');
  if (!URL.canParse(text, base?.href))
    throw notAllowed('The URL cannot be parsed. Send a full one, such as https://example.com/.');
  const url = new URL(text, base);
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw notAllowed('The URL must start with https:// or http://.');
  if (url.username !== '' || url.password !== '') {
    throw notAllowed('The URL contains a user name or a password. Send credentials in a header, as a secret.');
  }
  url.hash = '';
  return url;
}

const notAllowed = (message: string): EgressRefusal => new EgressRefusal('URL_NOT_ALLOWED', message);

function assertCeiling(host: string, port: number, isUsual: boolean, { hosts }: Ceiling): void {
  const named = hosts.filter((pattern) => covers(pattern.host, host));
  if (named.length === 0) {
    throw new EgressRefusal('HOST_NOT_ALLOWED', `The operator of this market does not allow the host ${host}.`);
  }
  if (!named.some((pattern) => (pattern.port === undefined ? isUsual : pattern.port === port))) {
    throw new EgressRefusal('PORT_NOT_ALLOWED', `Port ${port} is not allowed. Use https on 443 or http on 80.`);
  }
}

const covers = (pattern: string, host: string): boolean =>
  pattern === '*' || pattern === host || (pattern.startsWith('*.') && host.endsWith(pattern.slice(1)));
