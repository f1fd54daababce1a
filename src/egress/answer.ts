import type { EgressOutcome, EgressSecret } from './egress.js';
import type { RawAnswer } from './exchange.js';

/** Headers of an answer that are about its connection. */
const OF_CONNECTION =
  /^(connection|keep-alive|proxy-authenticate|proxy-authentication-info|te|trailer|transfer-encoding|upgrade|alt-svc)$/;

/** Media types whose bodies are text. */
const TEXTUAL =
  /^(text\/[^;]+|application\/([^;]+\+)?(json|xml)|application\/(javascript|x-www-form-urlencoded|x-ndjson|yaml|graphql))\s*(;|$)/i;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * An answer as the agent reads it. A body of a textual type that is valid UTF-8 is text; any other is base64, such as a
 * compressed one: nothing is decompressed.
 * @param sent secrets of this request; an upstream that repeats one does not give it to the agent
 */
export function present({ status, headers, body }: RawAnswer, sent: readonly EgressSecret[]): EgressOutcome {
  const shown = Object.entries(headers)
    .filter(([name, value]) => value !== undefined && !OF_CONNECTION.test(name))
    .map(([name, value]) => [name, withoutSecrets(Array.isArray(value) ? value.join(', ') : value!, sent)]);
  const clean = sent.length === 0 ? body : Buffer.from(withoutSecrets(body.toString('latin1'), sent), 'latin1');
  const text = isTextual(headers) ? decode(clean) : undefined;
  return {
    end: 'answered',
    status,
    headers: Object.fromEntries(shown) as Record<string, string>,
    body: text ?? clean.toString('base64'),
    encoding: text === undefined ? 'base64' : 'utf8',
  };
}

function isTextual({
  'content-type': type = 'text/plain',
  'content-encoding': encoding = 'identity',
}: RawAnswer['headers']): boolean {
  return encoding === 'identity' && TEXTUAL.test(String(type));
}

function decode(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

const withoutSecrets = (text: string, secrets: readonly EgressSecret[]): string =>
  secrets.reduce((clean, { name, value }) => clean.replaceAll(value, () => `[secret:${name}]`), text);
