import type { Schemas } from '../../api-types.js';
import { TaskError } from '../../errors.js';
import type { FeedEvent } from '../../events.js';
import type { NewTask, Task } from '../../tasks.js';
import { type Command, type Option } from '../command.js';
import type { Context } from '../context.js';
import { readJson } from '../context.js';
import { ask, note, print, printable, printJson, table } from '../terminal.js';
import { UsageError } from '../usage.js';

/** Options that describe a task, for `tasks submit` and `auction simulate`. */
export const TASK_OPTIONS: Record<string, Option> = {
  capability: {
    type: 'string',
    short: 'c',
    multiple: true,
    value: 'NAME',
    help: 'what the agent must offer; may be repeated',
  },
  budget: { type: 'string', short: 'b', value: 'CREDITS', help: 'the most you pay' },
  input: { type: 'string', short: 'i', value: 'JSON|FILE|-', help: 'what the agent reads (default {})' },
  description: { type: 'string', value: 'TEXT', help: 'for people' },
  priority: { type: 'string', value: 'low|normal|high|critical', help: 'place in the queue' },
  'timeout-ms': { type: 'string', value: 'MS', help: 'wall time of one attempt' },
  allow: { type: 'string', multiple: true, value: 'KIND', help: 'permissions you allow: http, llm, kv, ask' },
  'max-host-cost': { type: 'string', value: 'CREDITS', help: 'the most that host calls may cost' },
  'share-logs': { type: 'boolean', help: "let the agents' owners read the logs" },
  'run-at': { type: 'string', value: 'TIME', help: 'start not before' },
};

/** @returns the task, and its input as it is given. @throws UsageError */
export async function taskFrom(context: Context): Promise<{ task: NewTask; inputText: string }> {
  const allow = context.list('allow');
  const inputText = (await context.jsonText('input')) ?? '{}';
  const task = withoutUndefined({
    required_capabilities: context.list('capability') ?? [],
    budget: context.required('budget'),
    input: JSON.parse(inputText) as unknown,
    description: context.text('description'),
    priority: context.text('priority'),
    timeout_ms: context.integer('timeout-ms'),
    allow: allow && Object.fromEntries(allow.map((kind) => [kind, true])),
    max_host_cost: context.text('max-host-cost'),
    share_logs: context.flag('share-logs') || undefined,
    run_at: context.text('run-at'),
  }) as NewTask;
  return { task, inputText };
}

const withoutUndefined = (value: object): object =>
  Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined));

export const TASK_COMMANDS: Command[] = [
  {
    name: 'tasks submit',
    summary: 'Submits a task. With --wait, answers with its result.',
    options: {
      ...TASK_OPTIONS,
      wait: { type: 'boolean', short: 'w', help: 'wait for the end and print the result; Ctrl-C cancels the task' },
      'idempotency-key': { type: 'string', value: 'KEY', help: 'the same key gives the same task again' },
    },
    run: submit,
  },
  {
    name: 'tasks list',
    summary: 'Lists your tasks, newest first.',
    options: {
      status: { type: 'string', value: 'STATUS', help: 'only tasks in this state' },
      limit: { type: 'string', value: 'N', help: 'at most so many (default 20, up to 100)' },
    },
    run: list,
  },
  { name: 'tasks show', operands: 'TASK', summary: 'Shows a task with its attempts.', run: show },
  { name: 'tasks watch', operands: 'TASK', summary: 'Prints what happens to a task until it ends.', run: watch },
  {
    name: 'tasks logs',
    operands: 'TASK',
    summary: 'Prints the log of the agents at work.',
    options: { follow: { type: 'boolean', short: 'f', help: 'go on until the task ends' } },
    run: logs,
  },
  {
    name: 'tasks result',
    operands: 'TASK',
    summary: 'Prints the result, byte for byte as the agent wrote it.',
    run: result,
  },
  {
    name: 'tasks cancel',
    operands: 'TASK',
    summary: 'Ends a task that has not ended.',
    run: async (context) => {
      const task = await context.client.tasks.cancel(context.operands[0]);
      context.answer(task, () => `Task ${task.id} is ${task.status}.`);
    },
  },
  {
    name: 'tasks input',
    operands: 'TASK [ANSWER]',
    summary: "Answers the agent's question: JSON, or else text. Asks you when the answer is absent.",
    run: input,
  },
  {
    name: 'tasks rate',
    operands: 'TASK STARS',
    summary: 'Rates a completed task, from 1 to 5.',
    run: async (context) => {
      const [id, stars] = context.operands;
      const task = await context.client.tasks.rate(id, Number(stars));
      context.answer(task, () => `Task ${task.id} is rated ${task.rating}.`);
    },
  },
];

async function submit(context: Context): Promise<void> {
  const { tasks } = context.client;
  const { task, inputText } = await taskFrom(context);
  const options = { idempotencyKey: context.text('idempotency-key'), inputText, signal: context.signal };
  if (!context.flag('wait')) {
    const { id, status } = await tasks.submit(task, options);
    context.answer({ id, status }, () => id);
    return;
  }
  const completed = await tasks.run(task, { ...options, onEvent: (event) => !context.isJson && note(lineOf(event)) });
  if (context.isJson) printJson(completed.task, 2);
  else await writeResult(context, completed.task);
}

async function list(context: Context): Promise<void> {
  const query = { limit: context.integer('limit') ?? 20, status: context.text('status') as Task['status'] | undefined };
  const page = await context.client.request('GET', '/tasks', { query });
  context.answer(page, () =>
    table(
      ['task', 'status', 'created', 'capabilities', 'budget', 'cost'],
      page.items.map((task) => [
        ...[task.id, task.status, task.created_at, task.required_capabilities.join(', ') || 'any'],
        ...[task.budget, task.cost],
      ]),
      4,
    ),
  );
}

async function show(context: Context): Promise<void> {
  const task = await context.client.tasks.get(context.operands[0]);
  context.answer(task, () => {
    const facts: [string, unknown][] = [
      ['task', task.id],
      ['status', task.status],
      ['capabilities', task.required_capabilities.join(', ') || 'any'],
      ['budget', task.budget],
      ['cost', task.cost],
      ['created', task.created_at],
      ['ended', task.completed_at],
      ['error', task.error && `${task.error.message} (${task.error.code})`],
      ['question', task.question?.question],
    ];
    const attempts = task.attempts.map((it) => [
      it.ordinal,
      it.agent_id,
      it.version,
      it.outcome,
      it.metering?.wall_ms,
      it.price,
    ]);
    return [
      ...facts.flatMap(([name, value]) =>
        value === null || value === undefined ? [] : [`${name.padEnd(13)}${String(value)}`],
      ),
      ...(attempts.length > 0
        ? ['', table(['attempt', 'agent', 'version', 'outcome', 'ms', 'price'], attempts, 4)]
        : []),
    ].join('\n');
  });
}

async function watch(context: Context): Promise<void> {
  const [id] = context.operands;
  const task = await context.client.tasks.wait(id, {
    signal: context.signal,
    onEvent: (event) => (context.isJson ? printJson(event) : print(lineOf(event))),
  });
  if (task.status !== 'completed') throw new TaskError(task);
}

async function logs(context: Context): Promise<void> {
  const [id] = context.operands;
  const print = (event: FeedEvent) => {
    if (event.type === 'task.log') printLog(context, event);
  };
  if (context.flag('follow'))
    return void (await context.client.tasks.wait(id, { signal: context.signal, onEvent: print }));
  for (let after_seq: number | undefined = 0; after_seq !== undefined;) {
    const page: Schemas['EventPage'] = await context.client.request('GET', '/tasks/{id}/events', {
      ...{ path: { id }, query: { after_seq, limit: 100 } },
    });
    page.items.forEach(print);
    after_seq = page.next_cursor ?? undefined;
  }
}

function printLog(context: Context, event: FeedEvent): void {
  if (context.isJson) return printJson(event);
  for (const line of event.data.lines as string[]) print(printable(line));
}

async function result(context: Context): Promise<void> {
  const task = await context.client.tasks.get(context.operands[0]);
  if (task.status !== 'completed') throw new TaskError(task);
  await writeResult(context, task);
}

/** Writes the bytes of the result: parsing it would round large numbers. */
async function writeResult(context: Context, task: Task): Promise<void> {
  const answer = await context.client.transport.send({
    ...{ method: 'GET', path: `/tasks/${task.id}/result`, signal: context.signal, isRepeatable: true },
  });
  const text = await answer.text();
  const bytes = task.result_ref ? text : memberOf(text, 'result');
  process.stdout.write(process.stdout.isTTY ? `${printable(bytes)}\n` : `${bytes}\n`);
}

/** @returns the text of a member of a JSON object, unchanged */
export function memberOf(object: string, name: string): string {
  const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;
  let depth = 0;
  let start: number | undefined;
  for (let key = '', previous = '', match = token.exec(object); match; match = token.exec(object)) {
    const [text] = match;
    if (depth === 1 && start !== undefined && (text === ',' || text === '}'))
      return object.slice(start, match.index).trim();
    if (depth === 1 && text === ':' && JSON.parse(key) === name) start = token.lastIndex;
    if (depth === 1 && text.startsWith('"') && (previous === '{' || previous === ',')) key = text;
    if (text === '{' || text === '[') depth += 1;
    if (text === '}' || text === ']') depth -= 1;
    previous = text;
  }
  throw new Error(`The answer has no member "${name}".`);
}

async function input(context: Context): Promise<void> {
  const [id, given] = context.operands;
  const { question, status } = await context.client.tasks.get(id);
  if (!question) throw new UsageError(`Task ${id} has no open question: it is ${status}.`);
  const text = given ?? (await ask(`${printable(question.question)}\nAnswer (JSON or text): `));
  const answer = await readJson('the answer', text).catch(() => text);
  const task = await context.client.tasks.answer(id, question.id, answer);
  context.answer(task, () => `The answer is with the agent. Task ${id} is ${task.status}.`);
}

/** One line about an event, for people. */
function lineOf({ at, type, data }: FeedEvent): string {
  const {
    agent_name,
    agent_id,
    price,
    cost,
    outcome,
    error,
    lines,
    question,
    method,
    data: output,
  } = data as Record<string, never>;
  const facts = [
    agent_name ?? agent_id,
    price !== undefined && `price ${price}`,
    cost !== undefined && `cost ${cost}`,
    outcome,
    method,
    (error as Schemas['TaskErrorDto'] | undefined)?.message,
    (question as Schemas['QuestionDto'] | undefined)?.question,
    output !== undefined && JSON.stringify(output),
    (lines as string[] | undefined)?.join('\n  '),
  ].filter(Boolean);
  return `${at.slice(11, 23)}  ${type.padEnd(20)}  ${facts.join(', ')}`.trimEnd();
}
