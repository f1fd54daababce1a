import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { AppError } from '../common/app-error.js';
import { describeMissing, type MissingWall } from '../common/walls.js';
import { type Confinement, watchWalls } from '../confinement/index.js';
import { SandboxConfig, TaskConfig } from '../config/index.js';
import { traced } from '../observability/index.js';
import { BLOB_STORE, type BlobStore } from '../storage/index.js';
import { BinaryCache } from './binary-cache.js';
import type { Job } from './current-run.js';
import { countRun, tellRun, watchPool } from './metrics.js';
import { CANCELLED, lowestOf, type RunLimits, type RunReport, type RunRequest } from './run.js';
import { confineSandbox } from './sandbox-confinement.js';
import { SandboxPool } from './sandbox-pool.js';
import { SandboxProcess } from './sandbox-process.js';
import { TRIAL_AGENT } from './trial-agent.js';
import { unlessAborted } from './unless-aborted.js';

/** Runs agents: hostile WebAssembly, in confined processes, under limits of time, memory and output. */
@Injectable()
export class SandboxService implements OnModuleInit, OnApplicationShutdown {
  private readonly binaries: BinaryCache;
  private confinement: Confinement;
  private pool: SandboxPool;

  constructor(
    @Inject(BLOB_STORE) store: Pick<BlobStore, 'read'>,
    private readonly sandbox: SandboxConfig,
    private readonly tasks: TaskConfig,
  ) {
    this.binaries = new BinaryCache(store, sandbox.binaryCacheBytes);
  }

  /** Tries what the machine offers and starts the first processes in the background. */
  async onModuleInit(): Promise<void> {
    const { slots, recycleAfterRuns, recycleAboveBytes } = this.sandbox;
    this.confinement = await confineSandbox(this.sandbox);
    this.pool = new SandboxPool(() => new SandboxProcess(this.confinement, this.sandbox), {
      slots,
      warm: slots * WARM_PER_SLOT,
      warmBytes: slots * recycleAboveBytes,
      spares: Math.min(slots, MAX_SPARES),
      recycleAfterRuns,
      recycleAboveBytes,
    });
    watchPool(this.pool, slots);
    watchWalls('sandbox', this.missingWalls);
  }

  /** After the drain: the worker, which runs agents, has closed in `beforeApplicationShutdown`. */
  async onApplicationShutdown(): Promise<void> {
    await this.pool?.close();
    await this.confinement?.release();
  }

  /**
   * Runs an agent version once and says how it ended and what it used. Whatever the agent does is an outcome.
   *
   * @throws AppError `not_found` `BLOB_NOT_FOUND`, `internal` `BLOB_CORRUPT`, `unavailable` `SANDBOX_UNAVAILABLE`,
   *   `internal` `BAD_AGENT_ENVIRONMENT`, and whatever `input` and `onStart` throw
   */
  async run(request: RunRequest): Promise<RunReport> {
    const {
      binary,
      input,
      outputAs = 'text',
      timeoutMs,
      environment = {},
      hostCalls,
      onLog,
      onStart,
      signal,
    } = request;
    assertEnvironment(environment);
    // The store may take its time, and the read is shared: cancelled is who waits, not what is waited for.
    const module = await unlessAborted(signal, this.binaries.get(binary));
    if (!module) {
      countRun(CANCELLED);
      return CANCELLED;
    }
    const job: Job = {
      sha256: binary.sha256,
      module,
      input: typeof input === 'string' ? Buffer.from(input) : NOTHING_YET,
      outputAs,
      environment,
      timeoutMs: Math.min(timeoutMs, this.tasks.maxTimeoutMs),
      limits: lowestOf(this.most(outputAs), request.limits ?? {}),
      hostCalls,
      onLog,
      signal,
    };
    const fetchFirst = async (fetch: () => Promise<Uint8Array>): Promise<void> => {
      job.input = await fetch();
      if (!signal?.aborted) await onStart?.();
    };
    return traced('sandbox.run', {}, async (span) => {
      const report = await this.pool.run(job, () => {
        span.addEvent('slot granted');
        return typeof input === 'string' ? onStart?.() : fetchFirst(input);
      });
      countRun(report);
      tellRun(span, report);
      return report;
    });
  }

  /** @throws Error when agents cannot be run now */
  async health(): Promise<void> {
    this.pool.assertUsable();
  }

  /** Runs an agent that answers at once, as a task's would be run. @throws AppError `unavailable` `SANDBOX_UNAVAILABLE` */
  tryOut(): Promise<RunReport> {
    const input = Buffer.from('null');
    const limits = lowestOf(this.most('text'));
    return this.pool.run({ ...TRIAL_AGENT, input, outputAs: 'text', environment: {}, timeoutMs: TRIAL_MS, limits });
  }

  /** Walls around agents that are missing on this machine; empty when there are all. */
  get missingWalls(): readonly MissingWall[] {
    return this.confinement.missing;
  }

  /** One line per missing wall, with the reason. */
  describe(): string[] {
    return this.missingWalls.map((missing) => `The sandbox runs without: ${describeMissing(missing)}`);
  }

  private most(outputAs: 'text' | 'bytes'): RunLimits {
    const { maxOutputBytes, maxOutputBlobBytes } = this.sandbox;
    return { ...this.sandbox, maxOutputBytes: outputAs === 'bytes' ? maxOutputBlobBytes : maxOutputBytes };
  }
}

const NOTHING_YET = new Uint8Array(0);

/** An idle process costs 11–20 MB and what its agent has left; a version that has none costs its next run a start. */
const WARM_PER_SLOT = 4;
const MAX_SPARES = 2;
/** For a run that takes a few ms on an idle machine. */
const TRIAL_MS = 10_000;

const ENVIRONMENT_NAME = /^ZEROSTATE_[A-Z0-9_]*$/;

function assertEnvironment(environment: Record<string, string>): void {
  for (const [name, value] of Object.entries(environment)) {
    if (!ENVIRONMENT_NAME.test(name) || value.includes('\0')) {
      throw new AppError('internal', 'BAD_AGENT_ENVIRONMENT', `${name} cannot be in the environment of an agent.`);
    }
  }
}
