/** Of the server, never to be told: stacks, SQL, and where its files are. */
const LEAK =
  /\.[jt]s:\d+|node_modules|\bat \w+ \(|\b(select|insert|update|delete)\b.+\b(from|into|set)\b|violates|pg_|\/tmp\//i;

/** An answer with its body read. */
export interface RawAnswer {
  status: number;
  headers: Headers;
  text: string;
}

export async function read(response: Response): Promise<RawAnswer> {
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** What keeps an answer from being a problem document (RFC 9457) with one of the statuses; undefined when nothing does. */
export function faultOf({ status, headers, text }: RawAnswer, statuses: readonly number[]): string | undefined {
  const shown = `${status} ${text.slice(0, 300)}`;
  if (!statuses.includes(status)) return `expected ${statuses.join(' or ')}, got ${shown}`;
  if (!/^application\/problem\+json\b/.test(headers.get('content-type') ?? ''))
    return `not a problem document: ${shown}`;
  if (status === 401 && !headers.has('www-authenticate')) return `no WWW-Authenticate: ${shown}`;
  if (LEAK.test(text)) return `tells too much: ${shown}`;
  const problem = JSON.parse(text) as Record<string, unknown>;
  const valid =
    /^urn:zerostate:problem:[a-z0-9-]+$/.test(String(problem.type)) &&
    typeof problem.title === 'string' &&
    problem.status === status &&
    typeof problem.detail === 'string' &&
    problem.detail !== '' &&
    /^[A-Z][A-Z0-9_]+$/.test(String(problem.code)) &&
    /^[0-9a-f]{32}$/.test(String(problem.trace_id));
  return valid ? undefined : `a member is missing or wrong: ${shown}`;
}
