import type { Bench, Report } from '../bench.js';
import { BarePipeline } from '../peer/bare-pipeline.js';
import { BareQueue } from '../peer/bare-queue.js';
import { sampleDocuments } from '../peer/statements.js';
import { type Installation, startInstallation, UNBOUNDED } from '../support/installation.js';
import { bombard, times } from '../support/load.js';
import { allCompleted } from '../support/progress.js';
import type { Backend } from '../support/services.js';
import type { Figure } from '../support/statistics.js';

/** Connections over which tasks are submitted. */
const CONNECTIONS = 64;

/** Installations that are measured, all against the same peer. */
const VARIANTS: { name: string; processes: string[] }[] = [
  { name: 'one process', processes: ['api,worker'] },
  { name: 'API and worker apart', processes: ['api', 'worker'] },
  { name: 'apart, two workers', processes: ['api', 'worker', 'worker'] },
];

/** Tasks per second from the first submission to the last completion, submitted as fast as they are taken. */
export async function endToEnd(bench: Bench, backend: Backend): Promise<Report> {
  const { rounds, tasks } = bench.scale;
  const subjects: Subject[] = [];
  for (const { name, processes } of VARIANTS) {
    const installation = await startInstallation(bench, { backend, processes, env: UNBOUNDED });
    const subject = overHttp(name, installation);
    await subject.warmUp(tasks / 4);
    subjects.push(subject);
  }
  const documents = await sampleDocuments(subjects[0].databaseUrl);
  const startPeer = async (name: string, isSandboxed: boolean): Promise<Subject> => {
    const pipeline = await BarePipeline.start(bench, backend, documents, isSandboxed);
    const subject = new Subject(name, pipeline, (count) => pipeline.submitMany(count));
    await subject.warmUp(tasks / 4);
    return subject;
  };
  const peer = await startPeer('bare pipeline', false);
  const sandboxed = await startPeer('BullMQ’s sandboxed processor', true);

  const queue = await BareQueue.start(bench, backend);
  await queue.process(tasks / 4);
  const queueRates: number[] = [];

  for (let round = 0; round < rounds; round++) {
    for (const subject of [...subjects, peer, sandboxed]) await subject.round(tasks);
    queueRates.push(await queue.process(tasks));
  }
  await queue.stop();
  const costs = [];
  for (const subject of [...subjects, peer, sandboxed]) costs.push(await subject.close(backend));
  const figures = subjects.map(({ name, rates }): Figure => ({
    ...{ suite: 'end-to-end', backend, name: `tasks, ${name}`, unit: '/s' },
    ours: rates,
    peer: peer.rates,
    aim: { atLeastOfPeer: 0.7 },
  }));
  const against = (name: string, peer: number[]): Figure => ({
    ...{ suite: 'end-to-end', backend, name: `tasks, one process, against ${name}`, unit: '/s' },
    ours: subjects[0].rates,
    peer,
  });
  figures.push(
    { ...against('BullMQ’s sandboxed processor', sandboxed.rates), aim: { atLeastOfPeer: 3 } },
    against('BullMQ alone, with jobs that do nothing', queueRates),
  );
  return { figures, costs };
}

function overHttp(name: string, installation: Installation): Subject {
  const { url, submission } = installation;
  return new Subject(name, installation, async (count) => {
    const { startedAt } = await bombard(url, CONNECTIONS, submission, 202, times(count));
    return startedAt;
  });
}

/** One of those that are measured in turns. */
class Subject {
  /** Tasks per second, of each round. */
  readonly rates: number[] = [];
  private submitted = 0;

  constructor(
    readonly name: string,
    private readonly system: Pick<Installation, 'databaseUrl' | 'meter' | 'stop'>,
    /** Answers when it began, ms since the epoch. */
    private readonly submit: (count: number) => Promise<number>,
  ) {}

  get databaseUrl(): string {
    return this.system.databaseUrl;
  }

  async warmUp(tasks: number): Promise<void> {
    await this.system.meter.measure(false, () => this.process(tasks), tasks);
  }

  async round(tasks: number): Promise<void> {
    this.rates.push(await this.system.meter.measure(true, () => this.process(tasks), tasks));
  }

  async close(backend: Backend) {
    await this.system.stop();
    return this.system.meter.close({ suite: 'end-to-end', backend, subject: this.name });
  }

  /** @returns tasks per second */
  private async process(tasks: number): Promise<number> {
    this.submitted += tasks;
    const startedAt = await this.submit(tasks);
    const completedAt = await allCompleted(this.databaseUrl, this.submitted);
    return (tasks / (completedAt - startedAt)) * 1000;
  }
}
