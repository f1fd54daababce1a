import { Injectable } from '@nestjs/common';
import type { DependencyHealth, ReadyDto } from './health.dto.js';

/** How long a dependency may take to answer before it counts as away, ms. */
const TIMEOUT_MS = 2000;

/** What must answer for this process to be of use. Each module registers the checks of what it owns. */
@Injectable()
export class Health {
  private stopping = false;
  private readonly checks = new Map<string, { check: () => Promise<unknown>; required: boolean }>();

  /** @param required `false`: told when it is away, which leaves the process ready for everything else */
  register(name: string, check: () => Promise<unknown>, { required = true } = {}): void {
    this.checks.set(name, { check, required });
  }

  /** From now on this process is not ready: who sends it work is to send it elsewhere. */
  stop(): void {
    this.stopping = true;
  }

  /** Ready is who has everything that it requires, and does not stop. */
  async report(): Promise<ReadyDto> {
    const dependencies = await this.check();
    if (this.stopping) dependencies.process = STOPPING;
    const ready = Object.values(dependencies).every(({ status, required }) => status === 'up' || !required);
    return { status: ready ? 'ready' : 'not_ready', dependencies };
  }

  private async check(): Promise<Record<string, DependencyHealth>> {
    const results = [...this.checks].map(
      async ([name, { check, required }]) => [name, { ...(await run(check)), required }] as const,
    );
    return Object.fromEntries(await Promise.all(results));
  }
}

const STOPPING: DependencyHealth = { status: 'down', required: true, ms: 0, reason: 'stopping' };

async function run(check: () => Promise<unknown>): Promise<Omit<DependencyHealth, 'required'>> {
  const begun = performance.now();
  const ms = () => Math.round(performance.now() - begun);
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
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
