import { createHash } from 'node:crypto';
import { parseEnvironment } from '../../src/config/index.js';
import { type RunReport, type RunRequest, SandboxService } from '../../src/execution/index.js';
import type { BlobStore } from '../../src/storage/index.js';

/** Runs that may go on at the same time. */
export const SLOTS = 2;

/** The sandbox service on its own, over binaries in memory. */
export class Sandbox {
  private constructor(
    readonly service: SandboxService,
    private readonly blobs: Map<string, Buffer>,
  ) {}

  static async open(): Promise<Sandbox> {
    const blobs = new Map<string, Buffer>();
    const environment = parseEnvironment({ SANDBOX_SLOTS: String(SLOTS) });
    const store = { read: async (ref: string) => blobs.get(ref) } as BlobStore;
    const service = new SandboxService(store, environment.sandbox, environment.tasks);
    await service.onModuleInit();
    for (const wall of service.describe()) console.log(wall);
    return new Sandbox(service, blobs);
  }

  store(bytes: Uint8Array): RunRequest['binary'] {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    this.blobs.set(sha256, Buffer.from(bytes));
    return { sha256, ref: sha256 };
  }

  async run(binary: RunRequest['binary'], input: string): Promise<RunReport> {
    const report = await this.service.run({ binary, input, timeoutMs: 60_000 });
    if (report.outcome.end !== 'completed') throw new Error(JSON.stringify(report.outcome));
    return report;
  }

  close(): Promise<void> {
    return this.service.onApplicationShutdown();
  }
}
