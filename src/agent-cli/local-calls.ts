import { existsSync } from 'node:fs';
import { Logger } from '@nestjs/common';
import type { Permissions } from '../common/permissions.dto.js';
import { CONSENT_KINDS, kindsOf } from '../common/permissions.js';
import type { Environment } from '../config/index.js';
import type { RunRequest } from '../execution/index.js';
import type { AttemptCalls } from '../host-calls/index.js';
import type { CallOptions } from './command.js';
import type { LocalServices } from './local-handlers.js';
import { assertWritable, jsonOrText, readJsonFile, writeJsonFile } from './option-file.js';

/** A host call of a run: what a server would record, and what it never keeps: request and answer. */
export interface LocalCall {
  n: number;
  method: string;
  /** The host or the model; null: neither. */
  target: string | null;
  /** `OK`, or the code of its error. */
  outcome: string;
  request_bytes: number;
  answer_bytes: number;
  duration_ms: number;
  /** Parsed JSON; text when it is not JSON. */
  request: unknown;
  answer: unknown;
}

/** The host's side of a run on this machine. */
export interface LocalHost {
  /** For the sandbox; undefined: the agent may call nothing. */
  hostCalls: RunRequest['hostCalls'];
  /** Kinds of permission that were granted. */
  granted: readonly string[];
  /** The calls so far, in their order. */
  calls: LocalCall[];
  /** Ends the call under way. */
  close(): Promise<void>;
  /** Writes the files that the command names. @throws UsageError */
  keep(): void;
}

/**
 * Serves the calls of one run here, by the server's own broker and limits.
 * @throws UsageError for files that cannot be used
 */
export async function openLocalHost(
  options: CallOptions,
  permissions: Permissions,
  config: Environment['hostCalls'],
  people: Pick<LocalServices, 'onOutput' | 'ask'>,
): Promise<LocalHost> {
  for (const name of ['state', 'record'] as const) {
    const file = options[name];
    if (file !== undefined) assertWritable(`--${name}`, file);
  }
  // Loaded here, because it is a large part of the server and most commands need none of it.
  const host = await import('../host-calls/index.js');
  const [{ localHandlers }, { LocalState }, { Mocks }] = await Promise.all([
    import('./local-handlers.js'),
    import('./local-state.js'),
    import('./mocks.js'),
  ]);
  const known = Object.keys(host.HOST_CALL_METHODS) as (keyof typeof host.HOST_CALL_METHODS)[];
  const state = new LocalState(config.state);
  if (options.state !== undefined && existsSync(options.state)) state.load(readJsonFile('--state', options.state));
  const mocks = options.mock === undefined ? Mocks.NONE : Mocks.of(readJsonFile('--mock', options.mock), known);
  const targets = new Map<number, string | null>();
  const served = new host.AttemptCalls({
    attempt: LOCAL_ATTEMPT,
    permissions,
    methods: known.filter((method) => permissions[host.HOST_CALL_METHODS[method]] !== undefined),
    handlers: localHandlers({ config, state, mocks, answers: [...(options.answers ?? [])], ...people }),
    records: {
      reserve: async () => true,
      end: async ({ context, target }) => void targets.set(context.n, target),
    },
    // The time limit stands still while a person types.
    parkingOf: (place) => {
      const parked = <T>(wait: () => Promise<T>): Promise<T> => {
        place.park();
        return wait().finally(() => place.unpark());
      };
      return { whileAsking: (_question, wait) => parked(wait), whileWaiting: (_mostMs, wait) => parked(wait) };
    },
    config,
    logger: new Logger('HostCalls'),
  });
  const calls: LocalCall[] = [];
  return {
    hostCalls: recording(served, calls, targets),
    granted: kindsOf(permissions),
    calls,
    close: () => served.close(),
    keep: () => {
      if (options.state !== undefined) writeJsonFile('--state', options.state, state);
      if (options.record !== undefined) writeJsonFile('--record', options.record, calls);
    },
  };
}

const LOCAL = '00000000-0000-7000-8000-000000000000';
const LOCAL_ATTEMPT = {
  ...{ taskId: LOCAL, userId: LOCAL, agentId: LOCAL, agentOwnerId: LOCAL },
  attempt: 1,
  shareLogs: false,
  allow: CONSENT_KINDS,
};

/** Serves as `served` does, and notes each call with its answer. */
function recording(
  served: AttemptCalls,
  calls: LocalCall[],
  targets: ReadonlyMap<number, string | null>,
): RunRequest['hostCalls'] {
  const { methods, maxCalls, maxRequestBytes } = served;
  return {
    methods,
    maxCalls,
    maxRequestBytes,
    answer: async (n, method, request, place) => {
      const startedAt = performance.now();
      const bytes = await served.answer(n, method, request, place);
      const answer = JSON.parse(Buffer.from(bytes).toString()) as { error?: { code: string } };
      calls.push({
        n,
        method,
        target: targets.get(n) ?? null,
        outcome: answer.error?.code ?? 'OK',
        request_bytes: request.length,
        answer_bytes: bytes.length,
        duration_ms: Math.round((performance.now() - startedAt) * 1000) / 1000,
        request: jsonOrText(Buffer.from(request).toString()),
        answer,
      });
      return bytes;
    },
  };
}
