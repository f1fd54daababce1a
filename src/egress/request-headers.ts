import { EgressRefusal, type EgressRequest, type EgressSecret } from './egress.js';
import type { Hop } from './hop.js';

/** Most headers of a request, and most bytes of all their names and values. */
const MAX_HEADERS = 64;
const MAX_HEADER_BYTES = 16_384;

/** Headers that belong to the connection, to proxies, or to this server. */
const RESERVED =
  /^(host|connection|keep-alive|transfer-encoding|content-length|te|trailer|upgrade|expect|accept-encoding|via|forwarded|x-forwarded-.*|x-real-ip|proxy-.*|http2-settings)$/;
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
/** Visible characters, spaces and tabs of Latin-1: no line breaks, and nothing that takes more than a byte. */
const VALUE = /^[\t\u0020-\u007e\u0080-\u00ff]*$/;

/** Headers that a redirect to another origin does not take along, whether they hold a secret or not. */
const CREDENTIALS = new Set(['authorization', 'cookie']);

const SECRET = /\{\{secret:([A-Za-z][A-Za-z0-9_]{0,63})\}\}/g;
const LOOKS_LIKE_SECRET = /\{\{\s*secret/i;

/** The names of the secrets that header values ask for. */
export const secretNames = (headers: Record<string, string>): string[] => [
  ...new Set(Object.values(headers).flatMap((value) => [...value.matchAll(SECRET)].map(([, name]) => name))),
];

/** @returns the headers by their lower-case names @throws EgressRefusal */
export function checkHeaders(headers: Record<string, string>): Map<string, string> {
  const checked = new Map<string, string>();
  let bytes = 0;
  for (const [given, value] of Object.entries(headers)) {
    const name = given.toLowerCase();
    bytes += name.length + value.length;
    if (!NAME.test(name)) throw refused(`"${given.slice(0, 64)}" is not a name of a header.`);
    if (RESERVED.test(name)) throw refused(`The header ${name} is set by the host. Leave it out.`);
    if (checked.has(name)) throw refused(`The header ${name} is given twice.`);
    if (!VALUE.test(value)) throw refused(`The header ${name} contains a line break or a character outside Latin-1.`);
    checked.set(name, value);
  }
  if (checked.size > MAX_HEADERS) throw tooLarge(`The request has ${checked.size} headers (limit ${MAX_HEADERS}).`);
  if (bytes > MAX_HEADER_BYTES) throw tooLarge(`The headers have ${bytes} bytes (limit ${MAX_HEADER_BYTES}).`);
  return checked;
}

/** Headers of one hop, with their secrets. */
export interface HopHeaders {
  headers: Record<string, string>;
  /** Secrets that are in them. */
  used: EgressSecret[];
}

/**
 * Fills in the secrets of a hop. The first hop needs all of them. A redirect elsewhere goes on without the headers that
 * hold a secret or credentials.
 * @param first the hop that the agent asked for
 * @throws EgressRefusal when a secret is missing, or bound to another host than the first hop's
 */
export function headersOf(
  hop: Hop,
  first: Hop,
  checked: ReadonlyMap<string, string>,
  { secrets }: Pick<EgressRequest, 'secrets'>,
): HopHeaders {
  const used = new Map<string, EgressSecret>();
  const headers: Record<string, string> = {};
  const isElsewhere = hop.url.origin !== first.url.origin;
  for (const [name, template] of checked) {
    if (isElsewhere && CREDENTIALS.has(name)) continue;
    const needed = [...template.matchAll(SECRET)].map(([, secret]) => find(secret, secrets));
    if (isElsewhere && !needed.every((secret) => mayHave(hop, secret))) continue;
    for (const secret of needed) {
      if (!mayHave(hop, secret)) throw notForHost(hop, secret);
      used.set(secret.name, secret);
    }
    if (LOOKS_LIKE_SECRET.test(template.replace(SECRET, ''))) {
      throw new EgressRefusal('SECRET_NOT_FOUND', `The header ${name} names a secret wrongly. Write {{secret:NAME}}.`);
    }
    headers[name] = template.replace(SECRET, (_, secret: string) => used.get(secret)!.value);
  }
  return { headers, used: [...used.values()] };
}

function find(name: string, secrets: readonly EgressSecret[]): EgressSecret {
  const secret = secrets.find((one) => one.name === name);
  if (secret) return secret;
  throw new EgressRefusal(
    'SECRET_NOT_FOUND',
    `The agent has no secret ${name}. Its owner sets it with PUT /agents/:id/secrets/${name}.`,
  );
}

/** Without TLS anyone on the way could read a secret. The operator's own network is the operator's choice. */
const mayHave = (hop: Hop, secret: EgressSecret): boolean =>
  secret.host === hop.host && (hop.isHttps || hop.privateHost !== undefined);

const notForHost = (hop: Hop, { name, host }: EgressSecret): EgressRefusal =>
  new EgressRefusal(
    'SECRET_NOT_FOR_HOST',
    host === hop.host
      ? `The secret ${name} is sent over https only.`
      : `The secret ${name} is bound to another host than ${hop.host}.`,
  );

const refused = (message: string): EgressRefusal => new EgressRefusal('HEADER_NOT_ALLOWED', message);
const tooLarge = (message: string): EgressRefusal => new EgressRefusal('REQUEST_TOO_LARGE', message);
