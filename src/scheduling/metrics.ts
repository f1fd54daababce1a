import type { QueueConfig } from '../config/index.js';
import { counters, gauge, shared } from '../observability/index.js';
import type { TaskQueue } from '../queue/index.js';
import type { TaskBacklog, Waiting } from '../tasks/index.js';

export const sweeperFinds = counters(
  'sweeper_finds_total',
  'Tasks the sweeper did something about: past their deadline (expired), lost by queue or worker (lost).',
  { kind: ['expired', 'lost'] },
);

/** The line as it is in all processes together: each says the same, so a dashboard takes the maximum, not the sum. */
export function watchLine(queue: TaskQueue, backlog: TaskBacklog, config: QueueConfig): void {
  const line = shared(() => backlog.waiting());
  const byPriority = async (figure: (level: Waiting) => number) =>
    Object.entries(await line()).map(([priority, level]) => ({ labels: { priority }, value: figure(level) }));

  gauge('queue_entries', 'Entries of the queue, by state.', ['state'], async () => {
    const counts = await queue.counts();
    return (['waiting', 'active', 'delayed'] as const).map((state) => ({ labels: { state }, value: counts[state] }));
  });
  gauge('queue_paused', '1 while no worker takes a task.', [], async () => Number(await queue.isPaused()));
  const lines = shared(() => backlog.countLines());
  const { waiting, delayed } = config;
  gauge('queue_max_size', 'How many tasks may be queued before submissions are refused.', [], () => waiting.places);
  gauge('queue_max_delayed', 'How many tasks with a later start may be queued beside them.', [], () => delayed.places);
  gauge('tasks_queued', 'Tasks that are queued, without a later start.', [], async () => (await lines()).waiting);
  gauge(
    'tasks_delayed',
    'Tasks that are queued and were submitted with a later start.',
    [],
    async () => (await lines()).delayed,
  );
  gauge('tasks_waiting', 'Tasks that are queued and may begin now.', ['priority'], () =>
    byPriority(({ count }) => count),
  );
  gauge('tasks_held', 'Those that may begin, but have not had their turn or were not taken since.', ['priority'], () =>
    byPriority(({ throttled }) => throttled),
  );
  gauge('tasks_oldest_waiting_seconds', 'For how long the oldest waits that may begin.', ['priority'], () =>
    byPriority(({ oldest_ms }) => (oldest_ms ?? 0) / 1000),
  );
}
