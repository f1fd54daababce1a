import { Injectable, Logger } from '@nestjs/common';
import { inTime } from '../common/timers.js';
import { VERSION } from '../common/version.js';
import { DependencyFault, faultText, publicReason } from './dependency-fault.js';
import type { DependencyHealth, ReadyDto } from './health.dto.js';
import { gauge, shared } from './metrics.js';

/** How long a dependency may take to answer a request for the report, ms: shorter than clients wait for it. */
export const CHECK_TIMEOUT_MS = 1000;

/** How long a report is reused, ms, because anyone may ask at any rate. */
const REPORT_MS = 1000;

/** How long a check may stay unanswered before another starts beside it, ms. */
const GIVEN_UP_MS = 30_000;

/** What a check found. `fault` is the whole text of a failure: it may name users and hosts, so only operators read it. */
export type Checked = DependencyHealth & { fault?: string };

/** The dependencies of this process. Each module registers checks of its own. */
@Injectable()
export class Health {
  /** Why the process itself is not ready, whatever its dependencies say; undefined while it serves. */
  private phase: 'starting' | 'stopping' | undefined = 'starting';
  private readonly checks = new Map<string, { check: () => Promise<unknown>; required: boolean }>();
  private readonly dependencies = shared(() => this.look(), REPORT_MS);
  private readonly logger = new Logger('Health');
  /** The public reason of each dependency that was down at the last look. */
  private readonly down = new Map<string, string | undefined>();

  constructor() {
    const labels = { version: VERSION, node: process.versions.node };
    gauge('build_info', 'Always 1; its labels say which build this process runs.', Object.keys(labels), () => [
      { labels, value: 1 },
    ]);
    gauge('dependency_up', '1 if this dependency of the process answers, else 0.', ['dependency'], async () =>
      Object.entries(await this.dependencies()).map(([dependency, { status }]) => ({
        labels: { dependency },
        value: Number(status === 'up'),
      })),
    );
  }

  /** @param required `false`: reported when it is away, but the process stays ready */
  register(name: string, check: () => Promise<unknown>, { required = true } = {}): void {
    this.checks.set(name, { check: oneAtATime(check), required });
  }

  /** The start is complete: admin and example agents exist. No effect while the process stops. */
  serve(): void {
    if (this.phase === 'starting') this.phase = undefined;
  }

  /** From now on this process is not ready, so that new work goes elsewhere. */
  stop(): void {
    this.phase = 'stopping';
  }

  /**
   * A process is ready if its start is complete, it is not stopping, and every required dependency answered within the
   * last second.
   */
  async report(): Promise<ReadyDto> {
    const asked = Object.entries(await this.dependencies()).map(([name, checked]) => {
      const { fault: _, ...told } = checked;
      return [name, told] as const;
    });
    const process: DependencyHealth | undefined = this.phase && {
      status: 'down',
      required: true,
      ms: 0,
      reason: this.phase,
    };
    const dependencies: Record<string, DependencyHealth> = {
      ...Object.fromEntries(asked),
      ...(process && { process }),
    };
    const ready = Object.values(dependencies).every(({ status, required }) => status === 'up' || !required);
    return { status: ready ? 'ready' : 'not_ready', version: VERSION, dependencies };
  }

  /** Checks now. @param timeoutMs after which a dependency counts as away */
  async ask(timeoutMs: number): Promise<Record<string, Checked>> {
    const results = [...this.checks].map(
      async ([name, { check, required }]) => [name, { ...(await run(check, timeoutMs)), required }] as const,
    );
    return Object.fromEntries(await Promise.all(results));
  }

  /** Checks for a report, and logs what has changed since the last one. */
  private async look(): Promise<Record<string, Checked>> {
    const checked = await this.ask(CHECK_TIMEOUT_MS);
    for (const [name, { status, reason, fault }] of Object.entries(checked)) {
      if (status === 'up') {
        if (this.down.delete(name)) this.logger.log(`${name} answers again`);
      } else {
        if (this.down.get(name) !== reason) this.logger.warn(`${name} is down: ${fault}`);
        this.down.set(name, reason);
      }
    }
    return checked;
  }
}

/** Callers share a check in progress, so that checks of a hanging dependency do not pile up. */
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

async function run(check: () => Promise<unknown>, timeoutMs: number): Promise<Omit<Checked, 'required'>> {
  const begun = performance.now();
  const ms = () => Math.round(performance.now() - begun);
  const late = (): never => {
    throw new DependencyFault(`no answer within ${timeoutMs} ms`);
  };
  try {
    await inTime(check(), timeoutMs, late);
    return { status: 'up', ms: ms() };
  } catch (error) {
    return { status: 'down', ms: ms(), reason: publicReason(error), fault: faultText(error) };
  }
}
