import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

export interface McpOptions {
  /** Access token or API key. */
  token: string;
  /** Which revision of the protocol: 2026-07-28, or 2025-11-25 with its `initialize`. */
  era?: 'modern' | 'legacy';
  /** Answers what the server asks its user. */
  onElicit?: (message: string) => { action: 'accept' | 'decline'; content?: Record<string, string | number | boolean> };
  /** Of the endpoint, such as `?agents=mine`. */
  query?: string;
}

/** The official client, whose requests go to the servers in turn, as behind a load balancer. */
export async function connectMcp(
  urls: readonly string[],
  { token, era = 'modern', onElicit, query = '' }: McpOptions,
): Promise<Client> {
  let turn = 0;
  const client = new Client(
    { name: 'test', version: '1.0.0' },
    {
      capabilities: onElicit ? { elicitation: { form: {} } } : {},
      ...(era === 'modern' && { versionNegotiation: { mode: 'auto' as const } }),
    },
  );
  if (onElicit) client.setRequestHandler('elicitation/create', ({ params }) => onElicit(params.message));
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`/mcp${query}`, urls[0]), {
      requestInit: { headers: { authorization: `Bearer ${token}` } },
      fetch: (url, init) => {
        const { pathname, search } = new URL(url);
        return fetch(new URL(pathname + search, urls[turn++ % urls.length]), init);
      },
    }),
  );
  return client;
}

/** A JSON-RPC message sent by hand. @param url of the server, or of its endpoint */
export const postMcp = (url: string, headers: Record<string, string>, message: unknown): Promise<Response> =>
  fetch(url.includes('/mcp') ? url : new URL('/mcp', url), {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: typeof message === 'string' ? message : JSON.stringify(message),
  });
