import type { Task } from '../../api/queries';
import { bytes, capital, count, credits, memory, milliseconds, shortDate } from '../../lib/format';
import type { FeedEvent } from '../../lib/events';
import { Id, KeyValues, Tag } from '../../ui/basics';

interface DetailsProps {
  task: Task;
  events: readonly FeedEvent[];
  nameOf: (agentId: string | null) => string;
}

/** Cost, what the last attempt used, and what was asked for. */
export function Details({ task, events, nameOf }: DetailsProps) {
  const last = task.attempts.at(-1);
  const used = last?.metering;
  const traceparent = events.find((event) => event.traceparent)?.traceparent;
  const { limits } = task;
  return (
    <section className="panel groups" aria-label="Details">
      <div>
        <h3>
          Cost <span>{task.cost === null ? '–' : credits(task.cost)}</span>
        </h3>
        <KeyValues
          rows={[
            ...task.attempts.map(
              (attempt) =>
                [
                  `${nameOf(attempt.agent_id)}, attempt ${attempt.ordinal}`,
                  attempt.error ? 'Not charged' : credits(attempt.price),
                ] as const,
            ),
            ['Budget', credits(task.budget)],
            Number(task.max_host_cost) > 0
              ? ['Host calls', `${credits(Number(task.host_cost))} of ${credits(Number(task.max_host_cost))}`]
              : null,
          ]}
        />
      </div>
      {used && (
        <div>
          <h3>
            Used <span className="dim">attempt {last.ordinal}</span>
          </h3>
          <KeyValues
            rows={[
              ['Wall time', milliseconds(used.wall_ms)],
              ['Processor time', milliseconds(used.cpu_ms)],
              ['Peak memory', memory(used.peak_memory_bytes)],
              ['Read', bytes(used.bytes_in)],
              ['Written', bytes(used.bytes_out)],
              ['Calls of host functions', count(used.host_calls)],
            ]}
          />
        </div>
      )}
      <div>
        <h3>Asked</h3>
        <KeyValues
          rows={[
            [
              'Capabilities',
              task.required_capabilities.length > 0
                ? task.required_capabilities.map((name) => <Tag key={name}>{name}</Tag>)
                : 'Any',
            ],
            ['Priority', capital(task.priority)],
            ['Attempt limit', `${count(task.timeout_ms / 1000)} s`],
            limits?.memory_mb ? ['Memory', `${limits.memory_mb} MiB`] : null,
            ['Deadline', task.deadline ? shortDate(task.deadline) : 'None'],
            ['Region', task.region ? `${task.region}${task.region_required ? ' only' : ''}` : 'Anywhere'],
            ['Logs', task.share_logs ? 'Shown to agents’ owners' : 'Yours alone'],
            ['Agents may use', allowed(task.allow)],
            ['Task', <Id key="id" id={task.id} what="the task’s id" />],
            traceparent ? ['Trace', <Id key="trace" id={traceparent.split('-')[1]} what="the trace id" />] : null,
          ]}
        />
      </div>
    </section>
  );
}

const ALLOWED = { http: 'web requests', llm: 'language models', kv: 'state', ask: 'questions' };

const allowed = (allow: Task['allow']): string =>
  Object.entries(ALLOWED)
    .filter(([kind]) => allow[kind as keyof typeof ALLOWED])
    .map(([, words]) => words)
    .join(', ') || 'Nothing but computing';
