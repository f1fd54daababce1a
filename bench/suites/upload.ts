import { createHash } from 'node:crypto';
import { open, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { field, file, multipart } from '../../test/e2e/multipart.js';
import type { Bench, Report } from '../bench.js';
import { type Installation, startInstallation } from '../support/installation.js';
import type { Backend } from '../support/services.js';
import { type Aim, type Figure, median } from '../support/statistics.js';
import { LargeAgents } from '../../test/support/large-agents.js';

const MB = 1024 * 1024;
const AT_ONCE = 10;
const SIZES: { mb: number; uploads: number; aim?: Aim }[] = [
  { mb: 1, uploads: 15, aim: { below: 25 } },
  { mb: 10, uploads: 5 },
  { mb: 50, uploads: 3, aim: { atMostOfPeer: 2.5 } },
];

/**
 * Uploads, from the first byte sent to the answer, on a process that has the API alone. The peer is what has to be done
 * with the bytes, done alone, in one process, from memory: `sha256`, then `WebAssembly.validate`, then a durable write.
 */
export async function upload(bench: Bench, backend: Backend): Promise<Report> {
  const agents = await LargeAgents.create();
  const installation = await startInstallation(bench, { backend, processes: ['api'] });
  const target = new UploadTarget(installation);
  const alone = new Alone(join(bench.services.folder, 'alone'));
  const about = { suite: 'upload', backend };
  const figures: Figure[] = [];

  for (let round = 0; round < 3; round++) await target.upload(agents.ofSize(MB));
  for (const { mb, uploads, aim } of SIZES) {
    const ours: number[] = [];
    const peer: number[] = [];
    for (let round = 0; round < bench.scale.rounds; round++) {
      const times: number[] = [];
      const timesAlone: number[] = [];
      for (let index = 0; index < uploads; index++) {
        const binary = agents.ofSize(mb * MB - 4096);
        times.push(await installation.meter.measure(true, () => target.upload(binary), 1));
        timesAlone.push(await alone.all(binary));
      }
      ours.push(median(times));
      peer.push(median(timesAlone));
    }
    figures.push({ ...about, name: `upload of ${mb} MB, p50`, unit: 'ms', ours, peer, aim });
  }

  figures.push(...(await aloneFigures(about, alone, agents, bench.scale.rounds)));
  await installation.stop();
  const growth = await memoryGrowth(bench, backend, agents.ofSize(50 * MB - 4096));
  const name = `memory of the API, growth under ${AT_ONCE} uploads of 50 MB at once`;
  figures.push({ ...about, name, unit: 'MB', ours: [growth], aim: { below: 150 } });
  const costs = [await installation.meter.close({ suite: 'upload', backend, subject: 'uploads of all sizes' })];
  return { figures, costs };
}

/** What the parts of the peer take, so that a ratio can be explained. The peer of each is a copy of the same bytes. */
async function aloneFigures(
  about: { suite: string; backend: string },
  alone: Alone,
  agents: LargeAgents,
  rounds: number,
) {
  const figures: Figure[] = [];
  for (const mb of [1, 50]) {
    const binary = agents.ofSize(mb * MB - 4096);
    const parts: [string, () => unknown, Aim?][] = [
      [`sha256 of ${mb} MB alone`, () => alone.hash(binary), mb === 1 ? { below: 30 } : undefined],
      [`WebAssembly.validate of ${mb} MB alone`, () => alone.validate(binary), mb === 1 ? { below: 50 } : undefined],
      [`durable write of ${mb} MB alone`, () => alone.write(binary)],
    ];
    for (const [name, work, aim] of parts) {
      const ours: number[] = [];
      const peer: number[] = [];
      for (let round = 0; round < rounds * 3; round++) {
        ours.push(await timed(work));
        peer.push(await timed(() => alone.copy(binary)));
      }
      figures.push({ ...about, name, unit: 'ms', ours, peer, aim });
    }
  }
  return figures;
}

/** Of a server that has had no large upload yet. */
async function memoryGrowth(bench: Bench, backend: Backend, binary: Buffer<ArrayBuffer>): Promise<number> {
  const installation = await startInstallation(bench, { backend, processes: ['api'] });
  const target = new UploadTarget(installation);
  const [pid] = installation.pids;
  const peak = async (): Promise<number> => {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
  };
  await writeFile(`/proc/${pid}/clear_refs`, '5'); // the peak begins anew
  const before = await peak();
  await Promise.all(Array.from({ length: AT_ONCE }, () => target.upload(binary)));
  const after = await peak();
  await installation.stop();
  return after - before;
}

/** Sends binaries as new versions of one agent, over one connection after the other. */
class UploadTarget {
  constructor(private readonly installation: Installation) {}

  /** @returns ms */
  upload(binary: Buffer<ArrayBuffer>): Promise<number> {
    const form = [field('name', 'Large'), field('capabilities', 'large'), field('price', '1'), file(binary)];
    const { body, contentType } = multipart(form);
    return timed(async () => {
      const { status, answer } = await this.send(body, contentType);
      if (status !== 201) throw new Error(`expected 201, got ${status}: ${answer.slice(0, 500)}`);
    });
  }

  private send(body: Buffer, contentType: string): Promise<{ status: number | undefined; answer: string }> {
    const { url, token } = this.installation;
    return new Promise((resolve, reject) => {
      const outgoing = request(`${url}/api/v1/agents/echo-a/binary`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': contentType, 'content-length': body.length },
      });
      outgoing.on('error', reject);
      outgoing.on('response', (response) => {
        text(response).then((answer) => resolve({ status: response.statusCode, answer }), reject);
      });
      outgoing.end(body);
    });
  }
}

/** The work itself, without a server. */
class Alone {
  constructor(private readonly path: string) {}

  /** @returns ms */
  all(binary: Buffer): Promise<number> {
    return timed(async () => {
      this.hash(binary);
      this.validate(binary);
      await this.write(binary);
    });
  }

  hash(binary: Buffer): string {
    return createHash('sha256').update(binary).digest('hex');
  }

  validate(binary: Buffer): void {
    if (!engine.validate(binary)) throw new Error('the benchmark made an invalid module');
  }

  async write(binary: Buffer): Promise<void> {
    const target = await open(this.path, 'w');
    await target.writeFile(binary);
    await target.sync();
    await target.close();
    await rm(this.path);
  }

  copy(binary: Buffer): Buffer {
    return Buffer.from(binary);
  }
}

const engine = (globalThis as unknown as { WebAssembly: { validate(bytes: Uint8Array): boolean } }).WebAssembly;

async function timed(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
