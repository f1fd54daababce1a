import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useEffect, useMemo, useRef, useState } from 'react';
import { type TaskSummary, useAgentNames } from '../api/queries';
import { isEnded, type TaskStatus } from '../lib/events';
import { count, credits, dayName } from '../lib/format';
import { Button, Empty, Loading, Segments, useNow } from '../ui/basics';
import { Glyph } from '../ui/glyph';
import { ProblemPanel } from '../ui/problem';
import { isTyping } from '../shell/keys';
import { Bulk } from './tasks/bulk';
import { useTaskList } from './tasks/task-list';
import { TaskRow } from './tasks/task-row';

const route = getRouteApi('/tasks');

type Choice = TaskStatus | 'all';
const CHOICES: readonly (readonly [Choice, string])[] = [
  ['all', 'All'],
  ['queued', 'Queued'],
  ['running', 'Running'],
  ['input_required', 'Asks you'],
  ['completed', 'Completed'],
  ['failed', 'Failed'],
  ['cancelled', 'Cancelled'],
];

const ROW = 32;
const SMALL_ROW = 57;
/** The next page is read when this many rows are left below. */
const AHEAD = 30;

export function Tasks() {
  const { status } = route.useSearch();
  const navigate = useNavigate();
  const choice = CHOICES.some(([name]) => name === status) ? (status as Choice) : 'all';
  const list = useTaskList(choice === 'all' ? undefined : choice);
  const [query, setQuery] = useState('');
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const shown = useMemo(() => list.rows.filter((task) => fits(task, query)), [list.rows, query]);
  const setChoice = (next: Choice): void => {
    setSelected(new Set());
    void navigate({ to: '/tasks', search: next === 'all' ? {} : { status: next } });
  };
  const select = (id: string): void =>
    setSelected((before) => {
      const after = new Set(before);
      if (!after.delete(id)) after.add(id);
      return after;
    });

  return (
    <main className="page tasks-page">
      <div className="pagehead">
        <div>
          <h1>My tasks</h1>
          <Lead rows={list.rows} hasMore={list.hasNextPage} choice={choice} isLoaded={Boolean(list.data)} />
        </div>
      </div>
      <div className="tools">
        <Segments label="State" value={choice} options={CHOICES} onChange={setChoice} />
        <label className="find">
          <Glyph name="search" />
          <span className="sr">Search the loaded tasks</span>
          <input
            data-search
            placeholder="Title, id, agent’s id or error"
            value={query}
            onChange={(event) => setQuery(event.target.value)}
          />
          <kbd>/</kbd>
        </label>
        <span className="dim end">
          {count(shown.length)}
          {list.hasNextPage ? '+' : ''} {shown.length === 1 ? 'task' : 'tasks'}
        </span>
      </div>
      {list.error ? (
        <ProblemPanel error={list.error} />
      ) : !list.data ? (
        <section className="panel">
          <Loading lines={6} />
        </section>
      ) : shown.length === 0 ? (
        <section className="panel">
          <Nothing query={query} choice={choice} onAll={() => (query ? setQuery('') : setChoice('all'))} />
        </section>
      ) : (
        <Rows
          key={choice}
          tasks={shown}
          selected={selected}
          onSelect={select}
          onSelectAll={(all) => setSelected(all ? new Set(shown.map(({ id }) => id)) : new Set())}
          onEnd={() => {
            if (list.hasNextPage && !list.isFetchingNextPage) void list.fetchNextPage();
          }}
        />
      )}
      {selected.size > 0 && (
        <Bulk selected={list.rows.filter(({ id }) => selected.has(id))} onClear={() => setSelected(new Set())} />
      )}
    </main>
  );
}

const fits = (task: TaskSummary, query: string): boolean =>
  [task.description, task.id, task.agent_id, task.error?.code, ...task.required_capabilities].some((text) =>
    text?.toLowerCase().includes(query.trim().toLowerCase()),
  );

interface LeadProps {
  rows: readonly TaskSummary[];
  hasMore: boolean;
  choice: Choice;
  isLoaded: boolean;
}

function Lead({ rows, hasMore, choice, isLoaded }: LeadProps) {
  if (!isLoaded) return <p className="lead">Looking …</p>;
  if (rows.length === 0)
    return <p className="lead">{choice === 'all' ? 'You have submitted no task yet.' : `No task is ${choice}.`}</p>;
  const of = (status: TaskStatus): TaskSummary[] => rows.filter((row) => row.status === status);
  const running = of('running').length + of('assigned').length;
  const cost = rows.reduce((sum, row) => sum + (row.cost ?? 0), 0);
  const failed = of('failed');
  const [code, times] = mostCommon(failed.map(({ error }) => error?.code ?? ''));
  return (
    <p className="lead">
      {hasMore && `Of the newest ${count(rows.length)}: `}
      {running + of('queued').length === 0 ? (
        'Nothing runs or waits.'
      ) : (
        <>
          <b>
            {running} {running === 1 ? 'is' : 'are'} running
          </b>
          , {of('queued').length} {of('queued').length === 1 ? 'waits' : 'wait'}.
        </>
      )}{' '}
      {count(of('completed').length)} completed for <b>{credits(cost)}</b> credits; <b>{failed.length} failed</b>
      {times > 1 && `, ${times} of them with ${code}`}.
    </p>
  );
}

function mostCommon(words: readonly string[]): [string, number] {
  const numbers = new Map<string, number>();
  for (const word of words) numbers.set(word, (numbers.get(word) ?? 0) + 1);
  return [...numbers].sort(([, a], [, b]) => b - a)[0] ?? ['', 0];
}

function Nothing({ query, choice, onAll }: { query: string; choice: Choice; onAll: () => void }) {
  if (query)
    return (
      <Empty title={`No loaded task fits “${query}”`} action={<Button onClick={onAll}>Show all</Button>}>
        The search looks at the tasks that the list has read.
      </Empty>
    );
  if (choice !== 'all')
    return <Empty title={`No task is ${choice}`} action={<Button onClick={onAll}>Show all tasks</Button>} />;
  return (
    <Empty
      title="No tasks yet"
      action={
        <Link className="btn primary" to="/new" search={{}}>
          New task
        </Link>
      }
    >
      A task names capabilities and a budget. You see who would win before you submit it.
    </Empty>
  );
}

interface RowsProps {
  tasks: readonly TaskSummary[];
  selected: ReadonlySet<string>;
  onSelect: (id: string) => void;
  onSelectAll: (all: boolean) => void;
  onEnd: () => void;
}

type Item = { day: string } | { task: TaskSummary; index: number };

/** Only the rows in sight are in the page. */
function Rows({ tasks, selected, onSelect, onSelectAll, onEnd }: RowsProps) {
  const nameOf = useAgentNames();
  const navigate = useNavigate();
  const frame = useRef<HTMLDivElement>(null);
  const isSmall = useNarrow();
  const [at, setAt] = useState(-1);
  const hasLive = tasks.some(({ status }) => !isEnded(status));
  const now = useNow(hasLive ? 250 : 0);
  const seen = useRef<Set<string>>(undefined);
  seen.current ??= new Set(tasks.map(({ id }) => id));

  const items = useMemo(() => byDay(tasks), [tasks]);
  const rows = useWindowVirtualizer({
    count: items.length,
    estimateSize: (index) => ('day' in items[index] ? 28 : isSmall ? SMALL_ROW : ROW),
    getItemKey: (index) => {
      const item = items[index];
      return 'day' in item ? item.day : item.task.id;
    },
    overscan: 12,
    scrollMargin: frame.current?.offsetTop ?? 0,
  });
  const visible = rows.getVirtualItems();
  const lastVisible = visible.at(-1)?.index ?? 0;
  useEffect(() => {
    if (lastVisible > items.length - AHEAD) onEnd();
  }, [lastVisible, items.length, onEnd]);
  useEffect(() => rows.measure(), [isSmall, rows]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (isTyping(event)) return;
      const step = { j: 1, k: -1 }[event.key];
      if (step) {
        const next = Math.min(tasks.length - 1, Math.max(0, at + step));
        setAt(next);
        rows.scrollToIndex(items.findIndex((item) => 'index' in item && item.index === next));
      } else if (event.key === 'x' && tasks[at]) onSelect(tasks[at].id);
      else if (event.key === 'Enter' && tasks[at] && event.target === document.body)
        void navigate({ to: '/tasks/$taskId', params: { taskId: tasks[at].id } });
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  });

  const isAll = tasks.every(({ id }) => selected.has(id));
  return (
    <section className="panel vtable" role="table" aria-label="Tasks, newest first" aria-rowcount={tasks.length + 1}>
      <div className="tr th" role="row">
        <span role="columnheader" className="c-check">
          <input type="checkbox" aria-label="Select all" checked={isAll} onChange={() => onSelectAll(!isAll)} />
        </span>
        {[
          ['c-state', 'State'],
          ['c-title', 'Task'],
          ['c-agent', 'Agent'],
          ['c-priority', 'Priority'],
          ['c-cost num', 'Cost'],
          ['c-budget num', 'Budget'],
          ['c-waited num', 'Waited'],
          ['c-ran num', 'Ran'],
        ].map(([name, text]) => (
          <span key={name} role="columnheader" className={name}>
            {text}
          </span>
        ))}
        <span role="columnheader" className="c-dot">
          <span className="sr">Time in all, on a log scale</span>
          <span className="scale" aria-hidden="true">
            <span style={{ left: 0 }}>10 ms</span>
            <span style={{ left: '25%' }}>0.1 s</span>
            <span style={{ left: '50%' }}>1 s</span>
            <span style={{ left: '75%' }}>10 s</span>
          </span>
        </span>
        <span role="columnheader" className="c-at num" aria-sort="descending">
          Submitted ↓
        </span>
        <span role="columnheader" className="c-id">
          Id
        </span>
      </div>
      <div ref={frame} role="rowgroup" style={{ height: rows.getTotalSize(), position: 'relative' }}>
        {visible.map(({ index, start, key }) => {
          const item = items[index];
          const top = start - rows.options.scrollMargin;
          if ('day' in item)
            return (
              <div key={key} className="tr day" role="row" style={{ transform: `translateY(${top}px)` }}>
                <span role="cell">{item.day}</span>
              </div>
            );
          const { task } = item;
          return (
            <TaskRow
              key={key}
              task={task}
              agent={nameOf(task.agent_id)}
              isSelected={selected.has(task.id)}
              isFocused={item.index === at}
              isFresh={!seen.current!.has(task.id) && task.id > tasks[Math.min(tasks.length - 1, 50)].id}
              onSelect={onSelect}
              now={isEnded(task.status) ? 0 : now}
              top={top}
            />
          );
        })}
      </div>
    </section>
  );
}

/** Today's tasks stand without a heading. */
function byDay(tasks: readonly TaskSummary[]): Item[] {
  const today = new Date();
  let day = dayName(today, today);
  return tasks.flatMap((task, index): Item[] => {
    const its = dayName(task.created_at, today);
    const item = { task, index };
    if (its === day) return [item];
    day = its;
    return [{ day: its }, item];
  });
}

function useNarrow(): boolean {
  const query = '(max-width: 720px)';
  const [isNarrow, setNarrow] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query);
    const onChange = (): void => setNarrow(media.matches);
    media.addEventListener('change', onChange);
    return () => media.removeEventListener('change', onChange);
  }, []);
  return isNarrow;
}
