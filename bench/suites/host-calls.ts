import { Logger } from '@nestjs/common';
import { parseEnvironment } from '../../src/config/index.js';
import type { HostCalls } from '../../src/execution/run.js';
import type { RunRequest } from '../../src/execution/index.js';
import { AgentState } from '../../src/host-calls/agent-state.js';
import { AttemptCalls } from '../../src/host-calls/attempt-calls.js';
import type { Handlers } from '../../src/host-calls/host-call.js';
import { KvCalls } from '../../src/host-calls/handlers/kv.js';
import { Sql } from '../../src/database/index.js';
import { newId } from '../../src/common/ids.js';
import { wat } from '../../test/support/wat.js';
import type { Bench, Report } from '../bench.js';
import { Sandbox } from '../support/sandbox.js';
import type { Backend } from '../support/services.js';
import { type Figure, median } from '../support/statistics.js';

const CALLS = 200;
const WARM_UP_RUNS = 50;
/** Runs of a round, for each of the scale. */
const SHARE = 0.1;

/** What a host call adds to a run, and what unused permissions cost. */
export async function hostCalls(bench: Bench, backend: Backend): Promise<Report> {
  const sandbox = await Sandbox.open();
  bench.onEnd(() => sandbox.close());
  const sql = new Sql(await bench.services.createDatabase());
  bench.onEnd(() => sql.close());
  const calling = sandbox.store(await agent(CALLS));
  const silent = sandbox.store(await agent(0));
  const served = brokered(sql);

  const timed = async (binary: RunRequest['binary'], calls?: HostCalls): Promise<number> => {
    const startedAt = performance.now();
    const request = { binary, input: '{}', timeoutMs: 60_000, hostCalls: calls };
    const { outcome } = await sandbox.service.run(request);
    if (outcome.end !== 'completed') throw new Error(JSON.stringify(outcome));
    return performance.now() - startedAt;
  };
  for (let run = 0; run < WARM_UP_RUNS; run++) for (const binary of [calling, silent]) await timed(binary, INSTANT);

  const { rounds, runs } = bench.scale;
  const perCall: Record<'pipe' | 'broker', number[]> = { pipe: [], broker: [] };
  const idle: { ours: number[]; peer: number[] } = { ours: [], peer: [] };
  for (let round = 0; round < rounds; round++) {
    const times = { none: [], granted: [], pipe: [], broker: [] } as Record<string, number[]>;
    for (let run = 0; run < runs * SHARE; run++) {
      // In turns, because the first of them follows other work.
      const [first, second] = run % 2 === 0 ? (['none', 'granted'] as const) : (['granted', 'none'] as const);
      for (const name of [first, second])
        times[name].push(await timed(silent, name === 'granted' ? INSTANT : undefined));
      times.pipe.push(await timed(calling, INSTANT));
      const calls = served();
      times.broker.push(await timed(calling, calls));
      await calls.close();
    }
    const base = median(times.granted);
    perCall.pipe.push((median(times.pipe) - base) / CALLS);
    perCall.broker.push((median(times.broker) - base) / CALLS);
    idle.ours.push(base);
    idle.peer.push(median(times.none));
  }
  const figure = (name: string, rest: Pick<Figure, 'ours' | 'peer' | 'aim'>): Figure => ({
    ...{ suite: 'host-calls', backend, name, unit: 'ms', ...rest },
  });
  return {
    figures: [
      figure('one call, answered at once', { ours: perCall.pipe, aim: { below: 1 } }),
      figure('one call of kv.get', { ours: perCall.broker, aim: { below: 1 } }),
      figure('warm run with permissions it does not use', { ...idle, aim: { atMostOfPeer: 1.05 } }),
    ],
    costs: [],
  };
}

const METHODS = { methods: ['kv.get'], maxCalls: CALLS, maxRequestBytes: 1000 };
const EMPTY = Buffer.from('{}');
const INSTANT: HostCalls = { ...METHODS, answer: () => Promise.resolve(EMPTY) };

/** Attempts whose calls go through the broker. Records are dropped: there is no task that they belong to. */
function brokered(sql: Sql): () => AttemptCalls {
  const config = parseEnvironment({}).hostCalls;
  const { get } = new KvCalls(new AgentState(sql, config), config);
  return () =>
    new AttemptCalls({
      attempt: {
        taskId: newId(),
        userId: newId(),
        agentId: newId(),
        agentOwnerId: newId(),
        attempt: 1,
        shareLogs: false,
        allow: [],
      },
      permissions: { kv: {} },
      methods: ['kv.get'],
      // The only method that it may call.
      handlers: { 'kv.get': get } as Handlers,
      records: { reserve: () => Promise.resolve(true), end: () => Promise.resolve() },
      parkingOf: () => ({ whileAsking: (_question, wait) => wait(), whileWaiting: (_mostMs, wait) => wait() }),
      config,
      logger: new Logger('bench'),
    });
}

/** Makes so many calls of `kv.get`, and answers `{}`. */
const agent = (calls: number): Promise<Buffer> =>
  wat(`(module
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "zerostate" "call" (func $call (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 64) "kv.get{\\"key\\":\\"a\\"}{}")
    (func (export "_start") (local $left i32)
      (local.set $left (i32.const ${calls}))
      (block $done (loop $next
        (br_if $done (i32.eqz (local.get $left)))
        (drop (call $call (i32.const 64) (i32.const 6) (i32.const 70) (i32.const 11)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next)))
      (i32.store (i32.const 0) (i32.const 81))
      (i32.store (i32.const 4) (i32.const 2))
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))`);
