import type { Cost } from '../support/meter.js';
import { type Figure, median } from '../support/statistics.js';
import { number, table } from '../support/table.js';
import type { Run } from './document.js';

/** What the arithmetic supposes of an installation. */
const CORES_OF_A_MACHINE = 4;
const CORES_OF_POSTGRES = 16;
const MACHINES = [1, 10, 100];
/** Processor time that agents take by themselves, ms. */
const AGENTS_MS = [0, 100, 1000];
const DAY_S = 86_400;

/** What one task, or one subscriber, costs; CPU times in ms. Not a number where a run did not measure it. */
interface Unit {
  submitMs: number;
  nodeMs: number;
  sandboxMs: number;
  postgresMs: number;
  redisMs: number;
  lookingOnMs: number;
  commits: number;
  walKb: number;
  storedKb: number;
  tellManyMs: number;
  socketBytes: number;
  /** Tasks per second that the benchmark's machine did, and what its cores would have done had nothing made them wait. */
  done: number;
  possible: number;
}

/**
 * The tables of `docs/deployment.md` about sizing: what was measured, each with the name of its figure; what one core carries by
 * that; and what so many machines come to. Everything behind the first table is arithmetic.
 * @returns Markdown
 */
export function renderSizing(run: Run): string {
  const unit = unitOf(run, TOGETHER);
  const apart = unitOf(run, APART);
  const cores = Number.parseInt(run.machine.CPU);
  return [
    `Measured on ${run.startedAt.slice(0, 10)}, ${run.machine.CPU} (load generator, PostgreSQL and Redis on them too; load average ${run.machine['load average at the start']} before), queue on Redis:`,
    measured(unit, apart, cores),
    'What one of each carries by that, busy all the time:',
    capacities(unit),
    `What machines of ${CORES_OF_A_MACHINE} cores come to. On one of them is everything; of ten and more, PostgreSQL (${CORES_OF_POSTGRES} cores) and ` +
      'Redis are beside them, and a task costs what it did with API and workers apart. Worker cores count by the share that the ' +
      'benchmark’s reached:',
    installations(unit, apart),
  ].join('\n\n');
}

/** @param variant of the suite end-to-end */
function unitOf({ figures, costs, machine }: Run, variant: string): Unit {
  const figure = (suite: string, name: string): number => {
    const found = figures.find((it: Figure) => it.suite === suite && it.name === name && it.backend === 'redis');
    return found ? median(found.ours) : NaN;
  };
  const cost = (suite: string, subject: string): Partial<Cost> =>
    costs.find((it) => it.suite === suite && it.subject === subject && it.backend === 'redis') ?? {};
  const whole = cost('end-to-end', variant);
  const [nodeMs, sandboxMs] = [whole.nodeCpuMs ?? NaN, whole.sandboxCpuMs ?? NaN];
  const [postgresMs, redisMs] = [whole.postgresCpuMs ?? NaN, whole.redisCpuMs ?? NaN];
  return {
    submitMs: cost('submission', 'POST /tasks').nodeCpuMs ?? NaN,
    ...{ nodeMs, sandboxMs, postgresMs, redisMs },
    lookingOnMs: figure('onlooker', LOOKING_ON),
    commits: whole.commits ?? NaN,
    walKb: whole.walKb ?? NaN,
    storedKb: whole.storedKb ?? NaN,
    tellManyMs: figure('gateway', TELL_MANY),
    socketBytes: figure('gateway', SOCKET),
    done: figure('end-to-end', `tasks, ${variant}`),
    possible: (Number.parseInt(machine.CPU) * 1000) / (nodeMs + sandboxMs + postgresMs + redisMs),
  };
}

const LOOKING_ON = 'CPU of an API process that only looks on, of one task';
const TELL_MANY = 'commit → the last of 10,000 sockets, p50';
const SOCKET = 'memory of one of 10000 idle sockets';
const TOGETHER = 'one process';
const APART = 'apart, two workers';

function measured(unit: Unit, apart: Unit, cores: number): string {
  const [submission, whole, parted] = ['submission, POST /tasks', `end-to-end, ${TOGETHER}`, `end-to-end, ${APART}`];
  return table(
    ['', 'suite and figure', 'measured'],
    [
      ['API: a submission', `${submission}: Node ms`, of(unit.submitMs, 'ms')],
      ['API and worker: a task from end to end', `${whole}: Node ms`, of(unit.nodeMs, 'ms')],
      ['its sandbox, of an agent that does next to nothing', `${whole}: sandboxes ms`, of(unit.sandboxMs, 'ms')],
      ['its part of PostgreSQL', `${whole}: PostgreSQL ms`, of(unit.postgresMs, 'ms')],
      ['its commits, shared with others', `${whole}: commits`, number(unit.commits)],
      ['its write-ahead log', `${whole}: WAL KB`, of(unit.walKb, 'KB')],
      ['what of it stays on disk', `${whole}: stored KB`, of(unit.storedKb, 'KB')],
      ['its part of Redis', `${whole}: Redis ms`, of(unit.redisMs, 'ms')],
      ['any other API process, which hears of it', `onlooker, ${LOOKING_ON}`, of(unit.lookingOnMs, 'ms')],
      ['an idle subscriber', `gateway, ${SOCKET}`, of(unit.socketBytes, 'bytes')],
      ['an event for 10,000 subscribers', `gateway, ${TELL_MANY}`, of(unit.tellManyMs, 'ms')],
      [`tasks, on all ${cores} cores`, `end-to-end, tasks, ${TOGETHER}`, of(unit.done, 'per second')],
      ['share of what those cores could, were there no waiting', 'the same, by the CPU times above', share(unit)],
      ['with an API and two worker processes: a task', `${parted}: Node ms`, of(apart.nodeMs, 'ms')],
      ['its sandbox', `${parted}: sandboxes ms`, of(apart.sandboxMs, 'ms')],
      ['its part of PostgreSQL', `${parted}: PostgreSQL ms`, of(apart.postgresMs, 'ms')],
      ['its commits, shared with others', `${parted}: commits`, number(apart.commits)],
      ['its part of Redis', `${parted}: Redis ms`, of(apart.redisMs, 'ms')],
      [`tasks, on all ${cores} cores`, `end-to-end, tasks, ${APART}`, of(apart.done, 'per second')],
      ['share of what those cores could', 'the same, by the CPU times above', share(apart)],
    ],
  );
}

const of = (value: number, unit: string): string =>
  Number.isFinite(value) ? `${number(value)} ${unit}` : 'not measured';

const share = ({ done, possible }: Unit): string => `${number((100 * done) / possible)} %`;

const perSecond = (ms: number): number => 1000 / ms;

function capacities(unit: Unit): string {
  const workMs = unit.nodeMs - unit.submitMs + unit.sandboxMs;
  return table(
    ['', 'carries', 'by'],
    [
      ['a core of an API process', `${number(perSecond(unit.submitMs))} submissions/s`, '1000 / Node ms of one'],
      [
        'a worker core, agents of next to nothing',
        `${number(perSecond(workMs))} tasks/s`,
        '1000 / (Node ms from end to end − of a submission + sandboxes ms)',
      ],
      [
        'a worker core, agents of a second',
        `${number(perSecond(workMs + 1000))} tasks/s`,
        'the same with 1000 ms more',
      ],
      ['a core of PostgreSQL', `${number(perSecond(unit.postgresMs))} tasks/s`, '1000 / PostgreSQL ms'],
      ['Redis, which uses one core', `${number(perSecond(unit.redisMs))} tasks/s`, '1000 / Redis ms'],
      [
        'an API process, hearing of all tasks',
        `${number(perSecond(unit.lookingOnMs))} tasks/s`,
        '1000 / ms looking on',
      ],
      ['an API process, telling', `${number(10_000 * perSecond(unit.tellManyMs))} events/s`, '10,000 / s for 10,000'],
      ['a GB of an API process', `${number(1e9 / unit.socketBytes)} subscribers`, '1 GB / bytes of one'],
    ],
  );
}

/** In the order in which a tie is told. */
function limitsOf(unit: Unit, machines: number, agentMs: number): { part: string; tasks: number }[] {
  const { nodeMs, sandboxMs, postgresMs, redisMs, lookingOnMs } = unit;
  const shared = machines === 1 ? postgresMs + redisMs : 0;
  // More than all is noise of the measurement.
  const reached = Math.min(1, unit.done / unit.possible);
  const cores = machines * CORES_OF_A_MACHINE * reached;
  return [
    { part: 'cores of the machines', tasks: (cores * 1000) / (nodeMs + sandboxMs + agentMs + shared) },
    ...(machines === 1 ? [] : [{ part: 'PostgreSQL', tasks: CORES_OF_POSTGRES * perSecond(postgresMs) }]),
    { part: 'Redis', tasks: perSecond(redisMs) },
    ...(machines === 1 ? [] : [{ part: 'the feed', tasks: perSecond(lookingOnMs) }]),
  ];
}

function installations(together: Unit, apart: Unit): string {
  const rows = MACHINES.flatMap((machines) =>
    AGENTS_MS.map((agentMs) => {
      const unit = machines === 1 ? together : apart;
      const limits = limitsOf(unit, machines, agentMs);
      const known = limits.every(({ tasks }) => Number.isFinite(tasks));
      const { part, tasks } = limits.reduce((least, limit) => (limit.tasks < least.tasks ? limit : least));
      return [
        String(machines),
        agentMs === 0 ? 'next to nothing' : `${agentMs} ms`,
        number(limits[0].tasks),
        known ? part : 'not measured',
        number(tasks),
        number((tasks * unit.submitMs) / 1000),
        number((tasks * unit.postgresMs) / 1000),
        number(tasks * unit.commits),
        number((tasks * unit.walKb) / 1024),
        number((tasks * unit.storedKb * DAY_S) / 1024 ** 2),
      ];
    }),
  );
  const heads = ['machines', 'agents take', 'their cores could, tasks/s', 'the limit', 'tasks/s'];
  const needs = ['API cores', 'PostgreSQL cores', 'commits/s', 'WAL, MB/s', 'stored, GB a day'];
  return table([...heads, ...needs], rows);
}
