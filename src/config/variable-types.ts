import { isIP, isIPv4 } from 'node:net';
import { z } from 'zod';
import { HTTP_METHODS, type HttpMethod } from '../common/permissions.dto.js';
import { isDecimalAmount, MAX_AMOUNT, parseAmount } from '../common/money.js';
import { isPublicHostName } from '../common/public-host.js';
import { type Wall, WALLS } from '../common/walls.js';

export const MB = 1024 * 1024;
export const DAY_MS = 24 * 3600 * 1000;

export const integer = (fallback: number, min: number, max = Number.MAX_SAFE_INTEGER) =>
  z.coerce.number().int().min(min).max(max).default(fallback);
export const number = (fallback: number, min: number, max: number) =>
  z.coerce.number().min(min).max(max).default(fallback);
/** An amount of credits, as micro-credits. */
export const credits = () =>
  z
    .string()
    .refine(isDecimalAmount, `must be an amount from 0 to ${MAX_AMOUNT} with at most six decimals`)
    .transform(parseAmount);
export const truth = z.enum(['true', 'false', '1', '0'], 'must be true or false');
export const isTrue = (value: z.infer<typeof truth>): boolean => value === 'true' || value === '1';
export const flag = (fallback: boolean) => truth.default(fallback ? 'true' : 'false').transform(isTrue);
export const url = (...protocols: string[]) =>
  z.string().refine((value) => URL.canParse(value) && protocols.includes(new URL(value).protocol), {
    message: `must be a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
  });
/** Whether Express's `trust proxy` takes it. */
export const isTrustable = (proxies: false | number | string[]): boolean =>
  !Array.isArray(proxies) || proxies.every((proxy) => PROXIES_BY_NAME.includes(proxy) || isNetwork(proxy));
const PROXIES_BY_NAME = ['loopback', 'linklocal', 'uniquelocal'];
function isNetwork(text: string): boolean {
  const [address, range, ...rest] = text.split('/');
  const bits = isIP(address) === 6 ? 128 : 32;
  return isIP(address) > 0 && rest.length === 0 && (range === undefined || isWithin(range, bits) || isIPv4(range));
}
const isWithin = (text: string, most: number): boolean => /^\d{1,3}$/.test(text) && Number(text) <= most;
export const list = (fallback: string) =>
  z
    .string()
    .default(fallback)
    .transform((text) =>
      text
        .split(',')
        .map((entry) => entry.trim())
        .filter(Boolean),
    );
/** Names of walls around agents. */
export const walls = () =>
  list('').transform((names, context): Wall[] => {
    const known = names.filter((name): name is Wall => name in WALLS);
    if (known.length < names.length) {
      context.addIssue({ code: 'custom', message: `must be names of walls: ${Object.keys(WALLS).join(', ')}` });
    }
    return known;
  });
/** As browsers name themselves by: nothing else ever matches. */
export const origins = () =>
  list('').refine((entries) => entries.every((entry) => URL.canParse(entry) && new URL(entry).origin === entry), {
    message: 'must be origins such as https://app.example.org, without a path or a slash at the end',
  });
/** `a:b=90,…` as a table that both `a:b` and `b:a` are found in. */
export const roundTrips = () =>
  list('').transform((entries, context): ReadonlyMap<string, number> => {
    const table = new Map<string, number>();
    for (const entry of entries) {
      const [, a, b, ms] = /^([a-z0-9-]{1,32}):([a-z0-9-]{1,32})=(\d{1,5})$/.exec(entry) ?? [];
      if (ms === undefined) context.addIssue({ code: 'custom', message: `"${entry}" is not like eu:us=90` });
      else table.set(`${a}:${b}`, Number(ms)).set(`${b}:${a}`, Number(ms));
    }
    return table;
  });

/** Hosts that agents may reach: full names, `*.example.org`, or `*`; each with a port or for the usual ones. */
export const hostPatterns = () =>
  list('*').transform((entries, context) =>
    entries.map((entry) => {
      const [, host, port] = /^([^:]+)(?::(\d{1,5}))?$/.exec(entry) ?? [];
      const isKnown = host === '*' || isPublicHostName(host?.replace(/^\*\./, ''));
      if (!isKnown || Number(port ?? 1) > 65_535) {
        const message = `"${entry}" is not like api.example.com, *.example.com, api.example.com:8443 or *`;
        context.addIssue({ code: 'custom', message });
      }
      return { host, ...(port !== undefined && { port: Number(port) }) };
    }),
  );
/** `host:port`, or `host:port=address:port`, as a table by `host:port`. */
export const privateHosts = () =>
  list('').transform((entries, context): ReadonlyMap<string, { address?: string; port: number }> => {
    const table = new Map<string, { address?: string; port: number }>();
    for (const entry of entries) {
      const [, key, port, address, at] = /^([a-z0-9.-]+:(\d{1,5}))(?:=(.+):(\d{1,5}))?$/.exec(entry) ?? [];
      const bare = address?.replace(/^\[(.+)\]$/, '$1');
      if (key === undefined || !/[a-z]/.test(key) || (bare !== undefined && isIP(bare) === 0)) {
        const message = `"${entry}" is not like search.example.com:8080 or search.example.com:80=10.0.0.5:8080`;
        context.addIssue({ code: 'custom', message });
      } else table.set(key, bare === undefined ? { port: Number(port) } : { address: bare, port: Number(at) });
    }
    return table;
  });
/** Methods of HTTP. */
export const httpMethods = () =>
  list(HTTP_METHODS.join(',')).transform((names, context): HttpMethod[] => {
    const known = names.filter((name): name is HttpMethod => HTTP_METHODS.some((method) => method === name));
    if (known.length < names.length)
      context.addIssue({ code: 'custom', message: `must be of ${HTTP_METHODS.join(', ')}` });
    return known;
  });
/** Name servers, `address` or `address:port`. */
export const nameServers = () =>
  list('').refine(
    (entries) =>
      entries.every(
        (entry) => isIP(entry) !== 0 || isIP(entry.replace(/:\d{1,5}$/, '').replace(/^\[(.+)\]$/, '$1')) !== 0,
      ),
    { message: 'must be addresses of name servers such as 9.9.9.9 or 127.0.0.1:5353' },
  );

/** A rule between variables holds as soon as these are good by themselves, so that mistakes elsewhere do not hide it. */
export const accepted =
  (...names: string[]) =>
  ({ issues }: z.core.ParsePayload): boolean =>
    !issues.some(({ path }) => names.includes(String(path?.[0])));
