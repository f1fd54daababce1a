import { z } from 'zod';
import { MAX_TIMER_MS } from '../common/timers.js';
import { methodsOf } from '../common/permissions.js';
import type { HostCallConfig } from '../config/index.js';
import { Schema, stepsFor } from '../contracts/index.js';
import {
  type CallContext,
  HostCallError,
  type HostCallHandler,
  type HostCallMethod,
  type Handlers,
  KvCalls,
  OutputEmit,
  type PreparedCall,
  parseQuestion,
  parseRequest,
} from '../host-calls/index.js';
import { echoOf, usageOf } from '../models/index.js';
import type { LocalState } from './local-state.js';
import { jsonOrText } from './option-file.js';
import type { Mocks } from './mocks.js';

export interface LocalServices {
  config: HostCallConfig;
  state: LocalState;
  mocks: Mocks;
  /** Answers to questions, the next one first. */
  answers: string[];
  /** Asks the person at the terminal. @returns null when no person is there */
  ask: (question: string) => Promise<string | null>;
  /** Called for each partial result. */
  onOutput: (data: unknown, final: boolean) => void;
}

/**
 * A handler for each method, without a server: state in memory, partial results and questions to the terminal, an echo in
 * the place of models, and nothing from the web or from other agents. A method that has canned answers takes them, and only them.
 */
export function localHandlers(services: LocalServices) {
  const { config, state, mocks, onOutput } = services;
  const kv = new KvCalls(state, config);
  const feed: ConstructorParameters<typeof OutputEmit>[0] = {
    post: async ({ data: { data, final } }) => {
      onOutput(data, final === true);
      return 0;
    },
  };
  const handlers: Handlers = {
    'http.fetch': { prepare: (request, context) => withoutAnswer(fetchTarget(request, context)) },
    'llm.chat': { prepare: (request, context) => echo(request, context) },
    'llm.embed': { prepare: (request, context) => withoutAnswer(modelTarget(request, context)) },
    'kv.get': kv.get,
    'kv.put': kv.put,
    'kv.delete': kv.delete,
    'kv.list': kv.list,
    'output.emit': new OutputEmit(feed, config),
    'task.submit': { prepare: (request, context) => withoutAnswer(subTaskTarget(request, context)) },
    'task.wait': { prepare: () => withoutAnswer({ name: null, text: 'task.wait' }) },
    'input.ask': { prepare: (request, context) => question(request, context, services) },
  };
  for (const method of Object.keys(handlers) as HostCallMethod[]) {
    if (method !== 'output.emit' && mocks.names(method)) handlers[method] = mocked(method, mocks);
  }
  return handlers;
}

const schemas = {
  fetch: z.looseObject({ url: z.url({ protocol: /^https?$/ }), method: z.string().toUpperCase().default('GET') }),
  model: z.looseObject({ model: z.string() }),
  subTask: z.looseObject({
    required_capabilities: z.array(z.string()).min(1),
    budget: z.union([z.number(), z.string()]),
  }),
  chat: z.looseObject({
    model: z.string(),
    messages: z.array(z.strictObject({ role: z.enum(['system', 'user', 'assistant']), content: z.string() })).min(1),
    response_schema: z.record(z.string(), z.unknown()).optional(),
  }),
};

/** What a call is for, once the permissions allow it. */
interface Target {
  /** The host or the model, for the report. */
  name: string | null;
  /** For messages. */
  text: string;
}

/** The permissions hold for canned answers as well, so that a missing one shows before an upload. */
function targetOf(method: HostCallMethod, request: unknown, context: CallContext): Target {
  if (method === 'http.fetch') return fetchTarget(request, context);
  if (method === 'llm.chat' || method === 'llm.embed') return modelTarget(request, context);
  if (method === 'task.submit') return subTaskTarget(request, context);
  return { name: null, text: method };
}

function subTaskTarget(request: unknown, { permissions }: CallContext): Target {
  const { required_capabilities } = parseRequest(schemas.subTask, request);
  const { capabilities = [] } = permissions.tasks ?? {};
  const foreign = required_capabilities.find((name) => !capabilities.includes(name));
  if (foreign !== undefined) {
    throw new HostCallError('CAPABILITY_NOT_ALLOWED', `"${foreign}" is not among permissions.tasks.capabilities.`);
  }
  return { name: null, text: `task.submit for ${required_capabilities.join(', ')}` };
}

function fetchTarget(request: unknown, { permissions }: CallContext): Target {
  const { url, method } = parseRequest(schemas.fetch, request);
  const { hostname } = new URL(url);
  const { hosts = [], ...http } = permissions.http ?? {};
  if (!hosts.includes(hostname)) {
    throw new HostCallError('HOST_NOT_ALLOWED', `${hostname} is not among permissions.http.hosts.`);
  }
  if (!methodsOf(http).some((allowed) => allowed === method)) {
    throw new HostCallError('METHOD_NOT_ALLOWED', `${method} is not among permissions.http.methods.`);
  }
  return { name: hostname, text: `http.fetch ${method} ${url}` };
}

function modelTarget(request: unknown, { permissions }: CallContext): Target {
  const { model } = parseRequest(schemas.model, request);
  if (!permissions.llm?.models.includes(model)) {
    throw new HostCallError('MODEL_NOT_ALLOWED', `The model "${model}" is not among permissions.llm.models.`);
  }
  return { name: model, text: `a call of the model ${model}` };
}

function echo(request: unknown, context: CallContext): PreparedCall {
  const { model, messages, response_schema } = parseRequest(schemas.chat, request);
  const { name } = modelTarget(request, context);
  const content = echoOf(messages, response_schema);
  const usage = usageOf(messages.map((message) => message.content).join(''), content);
  const { inputTokens: input_tokens, outputTokens: output_tokens } = usage;
  return free(`${name} (echo, no model)`, { content, model, usage: { input_tokens, output_tokens } });
}

function question(request: unknown, { parking }: CallContext, { answers, ask }: LocalServices): PreparedCall {
  const { question, schema, timeoutMs = MAX_TIMER_MS } = parseQuestion(request);
  const asked = { id: 'local', question, schema, askedAt: new Date(), expiresAt: new Date(Date.now() + timeoutMs) };
  const wait = async (): Promise<string> => {
    const text = answers.shift() ?? (await ask(`The agent asks: ${question}\nAnswer (JSON or text): `));
    if (text === null) throw new HostCallError('INPUT_TIMED_OUT', 'No answer here: give one with --answer.');
    return text;
  };
  const answer = async (): Promise<unknown> => {
    const value = jsonOrText(
      await parking.whileAsking({ ...asked, leftMs: timeoutMs, answer: null, isOpen: true }, wait),
    );
    const verdict = schema && Schema.read(schema).check(value, stepsFor(Buffer.byteLength(JSON.stringify(value))));
    if (!verdict || verdict.end === 'fits') return value;
    const why = verdict.end === 'fault' ? `${verdict.at || 'it'} ${verdict.reason}` : 'it takes too long to check';
    throw new HostCallError('INPUT_TIMED_OUT', `A server would refuse the answer, because ${why}. So none came.`);
  };
  return {
    target: null,
    maxCostMicro: 0n,
    carryOut: async () => ({ answer: { answer: await answer() }, costMicro: 0n }),
  };
}

function mocked(method: HostCallMethod, mocks: Mocks): HostCallHandler {
  return {
    prepare: (request, context) => {
      const target = targetOf(method, request, context);
      const answer = mocks.take(method, request);
      if (!answer) withoutAnswer(target);
      const { error } = answer as { error?: { code: string; message: string } };
      if (error) throw new HostCallError(error.code, error.message);
      return free(target.name && `${target.name} (mock)`, answer!);
    },
  };
}

/** @throws HostCallError always: nothing here reaches the web or a model */
function withoutAnswer({ text }: Target): never {
  const message = `No answer to ${text}. Here, it comes from a file: --mock FILE with {"method", "request", "answer"}.`;
  throw new HostCallError('NO_MOCK', message);
}

const free = (target: string | null, answer: object): PreparedCall => ({
  target,
  maxCostMicro: 0n,
  carryOut: async () => ({ answer, costMicro: 0n }),
});
