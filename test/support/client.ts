import { randomBytes } from 'node:crypto';
import { until } from './until.js';

/** One answer. `body` is parsed JSON where the answer says it is JSON, otherwise text. */
export interface Answer<Body> {
  status: number;
  body: Body;
  headers: Headers;
}

export interface CallOptions {
  /** Access token. */
  token?: string;
  headers?: Record<string, string>;
}

/** Tests look into bodies freely; one that wants more names the type. */
type Loose = any;

/** The first admin of every server that `startServer` starts. */
export const ADMIN = { email: 'admin@zerostate.test', password: 'a password for tests' };

/** A client for one server; paths are relative to `/api/v1`. `body` is sent as JSON, a `FormData` as a form. */
export function api(url: string) {
  const call = async <Body>(method: string, path: string, body: unknown, options: CallOptions = {}) => {
    const isForm = body instanceof FormData;
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: {
        ...(options.token && { authorization: `Bearer ${options.token}` }),
        ...(body !== undefined && !isForm && { 'content-type': 'application/json' }),
        ...options.headers,
      },
      body: isForm ? body : JSON.stringify(body),
      redirect: 'manual',
    });
    const text = await response.text();
    const isJson = /[/+]json\b/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      body: isJson ? JSON.parse(text) : text,
      headers: response.headers,
    } as Answer<Body>;
  };
  return {
    get: <Body = Loose>(path: string, options?: CallOptions) => call<Body>('GET', path, undefined, options),
    delete: <Body = Loose>(path: string, options?: CallOptions) => call<Body>('DELETE', path, undefined, options),
    post: <Body = Loose>(path: string, body?: unknown, options?: CallOptions) =>
      call<Body>('POST', path, body, options),
    put: <Body = Loose>(path: string, body?: unknown, options?: CallOptions) => call<Body>('PUT', path, body, options),
    patch: <Body = Loose>(path: string, body?: unknown, options?: CallOptions) =>
      call<Body>('PATCH', path, body, options),
  };
}

export interface TestUser {
  email: string;
  password: string;
  /** Access token. */
  token: string;
}

/** A new user nobody else knows. */
export async function registerUser(url: string): Promise<TestUser> {
  const credentials = { email: `${randomBytes(8).toString('hex')}@example.test`, password: 'a password for tests' };
  expectStatus(await api(url).post('/auth/register', credentials), 201);
  return { ...credentials, token: await login(url, credentials) };
}

/** @returns the access token */
export async function login(url: string, { email, password }: { email: string; password: string }): Promise<string> {
  const answer = await api(url).post<{ access_token: string }>('/auth/login', { email, password });
  return expectStatus(answer, 200).body.access_token;
}

/** @returns the access token of the server's first admin */
export const loginAdmin = (url: string): Promise<string> => login(url, ADMIN);

/** Fields of the upload form as sent, so that a test can send wrong ones; a list of capabilities is joined by commas. */
export interface UploadForm {
  name?: string;
  description?: string;
  version?: string;
  capabilities?: string[];
  price?: string;
  surge?: number;
  limits?: object;
  /** JSON. */
  permissions?: string;
  /** JSON Schema, as text. */
  input_schema?: string;
  output_schema?: string;
}

/** Uploads a binary as `POST /agents/<agent>/binary`; `agent` is a slug or an id. */
export function uploadAgent(
  url: string,
  token: string,
  agent: string,
  wasm: Uint8Array,
  {
    name = agent,
    description,
    version = '1.0.0',
    capabilities = [],
    price = '0.5',
    surge,
    limits,
    permissions,
    input_schema,
    output_schema,
  }: UploadForm = {},
) {
  const form = new FormData();
  form.set('name', name);
  if (description !== undefined) form.set('description', description);
  form.set('version', version);
  form.set('capabilities', capabilities.join(','));
  form.set('price', price);
  if (surge !== undefined) form.set('surge', String(surge));
  if (limits) form.set('limits', JSON.stringify(limits));
  for (const [field, text] of Object.entries({ permissions, input_schema, output_schema })) {
    if (text !== undefined) form.set(field, text);
  }
  form.set('wasm_binary', new Blob([Uint8Array.from(wasm)], { type: 'application/wasm' }), `${agent}.wasm`);
  return api(url).post(`/agents/${agent}/binary`, form, { token });
}

const FINAL = ['completed', 'failed', 'cancelled'];

/**
 * Asks for a task until it has the status, and returns it.
 * @throws Error that shows the task when it ends otherwise, or not in time
 */
export async function waitForTask(url: string, token: string, id: string, status: string, timeoutMs = 20_000) {
  let task: Loose;
  const isSettled = async (): Promise<boolean> => {
    task = expectStatus(await api(url).get(`/tasks/${id}`, { token }), 200).body;
    return task.status === status || FINAL.includes(task.status);
  };
  await until(`task ${id} is ${status} or has ended`, isSettled, timeoutMs).catch((error: Error) => {
    throw new Error(`${error.message}. It is now ${JSON.stringify(task)}`, { cause: error });
  });
  if (task.status === status) return task;
  throw new Error(`expected task ${id} to become ${status}, but it ended as ${JSON.stringify(task)}`);
}

/** Hands the answer on if it has the status. @throws Error that shows it otherwise */
export function expectStatus<Body>(answer: Answer<Body>, status: number): Answer<Body> {
  if (answer.status === status) return answer;
  throw new Error(`expected status ${status}, got ${answer.status}: ${JSON.stringify(answer.body)}`);
}
