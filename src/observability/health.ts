import { Injectable } from '@nestjs/common';
import { VERSION } from '../common/version.js';
import type { DependencyHealth, ReadyDto } from './health.dto.js';
import { gauge, shared } from './metrics.js';

/** How long a dependency may take to answer whoever asks for the report, ms: shorter than they wait for it. */
export const CHECK_TIMEOUT_MS = 1000;

/** How long a report is good for everybody who asks, ms: anybody may, as often as they like. */
const REPORT_MS = 1000;

/** How long a check may stay unanswered before another is begun beside it, ms. */
const GIVEN_UP_MS = 30_000;

/** What must answer for this process to be of use. Each module registers the checks of what it owns. */
@Injectable()
export class Health {
  /** Why the process itself is not ready, whatever it depends on; undefined while it serves. */
  private phase: 'starting' | 'stopping' | undefined = 'starting';
  private readonly checks = new Map<string, { check: () => Promise<unknown>; required: boolean }>();
  private readonly dependencies = shared(() => this.ask(CHECK_TIMEOUT_MS), REPORT_MS);

  constructor() {
    const labels = { version: VERSION, node: process.versions.node };
    gauge('build_info', 'Always 1; its labels say which build this process runs.', Object.keys(labels), () => [
      { labels, value: 1 },
    ]);
    gauge('dependency_up', '1 where what this process depends on answers, else 0.', ['dependency'], async () =>
      Object.entries(await this.dependencies()).map(([dependency, { status }]) => ({
        labels: { dependency },
        value: Number(status === 'up'),
      })),
    );
  }

  /** @param required `false`: told when it is away, which leaves the process ready for everything else */
  register(name: string, check: () => Promise<unknown>, { required = true } = {}): void {
    this.checks.set(name, { check: oneAtATime(check), required });
  }

  /** The start is over: admin and example agents are there. Has no effect on a process that stops. */
  serve(): void {
    if (this.phase === 'starting') this.phase = undefined;
  }

  /** From now on this process is not ready, so that new work goes elsewhere. */
  stop(): void {
    this.phase = 'stopping';
  }

  /** A process is ready when its start is over, it does not stop, and everything it requires answers (at most 1 s ago). */
  async report(): Promise<ReadyDto> {
    const asked = await this.dependencies();
    const process: DependencyHealth | undefined = this.phase && {
      status: 'down',
      required: true,
      ms: 0,
      reason: this.phase,
    };
    const dependencies = { ...asked, ...(process && { process }) };
    const ready = Object.values(dependencies).every(({ status, required }) => status === 'up' || !required);
    return { status: ready ? 'ready' : 'not_ready', version: VERSION, dependencies };
  }

  /** Looks now. @param timeoutMs how long a dependency may take to answer before it counts as away */
  async ask(timeoutMs: number): Promise<Record<string, DependencyHealth>> {
    const results = [...this.checks].map(
      async ([name, { check, required }]) => [name, { ...(await run(check, timeoutMs)), required }] as const,
    );
    return Object.fromEntries(await Promise.all(results));
  }
}

/** Whoever asks while a check is under way waits for that: with something that hangs, no questions gather. */
function oneAtATime(check: () => Promise<unknown>): () => Promise<unknown> {
  let current: { begun: number; answer: Promise<unknown> } | undefined;
  return () => {
    if (current && performance.now() - current.begun < GIVEN_UP_MS) return current.answer;
    const asked = { begun: performance.now(), answer: check() };
    const end = (): void => {
      if (current === asked) current = undefined;
    };
    current = asked;
    asked.answer.then(end, end);
    return asked.answer;
  };
}

async function run(check: () => Promise<unknown>, timeoutMs: number): Promise<Omit<DependencyHealth, 'required'>> {
  const begun = performance.now();
  const ms = () => Math.round(performance.now() - begun);
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    await Promise.race([check(), timeout]);
    return { status: 'up', ms: ms() };
  } catch (error) {
    // Client libraries put addresses into their messages; the code says enough.
    const { code, message } = error as NodeJS.ErrnoException;
    return { status: 'down', ms: ms(), reason: code ?? message };
  } finally {
    clearTimeout(timer);
  }
}
