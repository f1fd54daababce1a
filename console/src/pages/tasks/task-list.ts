import { type InfiniteData, type QueryClient, useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { onOwnEvents } from '../../api/feed';
import { api, type Schemas, unwrap } from '../../api/client';
import type { TaskSummary } from '../../api/queries';
import { useUser } from '../../api/session';
import { changeOf, type FeedEvent, type TaskStatus } from '../../lib/events';

type Page = Schemas['TaskPage'];
type List = InfiniteData<Page, string | undefined>;

const PAGE = 100;
/** New tasks are fetched so often at most, ms. */
const REFRESH_MS = 1000;

/** The user's tasks, newest first. Rows change with the feed; only new tasks are fetched. */
export function useTaskList(status: TaskStatus | undefined) {
  const queries = useQueryClient();
  const { id: userId } = useUser();
  const key = ['tasks', 'list', status ?? 'all'];
  const list = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam }) => fetchPage(status, pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: Page) => page.next_cursor ?? undefined,
  });

  useEffect(() => {
    let timer: number | undefined;
    const refresh = (): void => {
      timer ??= window.setTimeout(() => {
        timer = undefined;
        void fetchPage(status).then(
          (page) => addNewest(queries, key, page.items),
          () => undefined,
        );
      }, REFRESH_MS);
    };
    const stop = onOwnEvents((events) => {
      const mine = events.filter(({ task_id, user_id }) => task_id !== null && user_id === userId);
      if (applyEvents(queries, key, mine, status)) refresh();
    });
    return () => {
      stop();
      window.clearTimeout(timer);
    };
  }, [queries, status, userId]);

  const rows = list.data?.pages.flatMap(({ items }) => items) ?? [];
  return { ...list, rows };
}

const fetchPage = (status: TaskStatus | undefined, cursor?: string): Promise<Page> =>
  unwrap(api.GET('/api/v1/tasks', { params: { query: { limit: PAGE, cursor, status } } }));

/** @returns whether there are tasks that the list lacks */
function applyEvents(queries: QueryClient, key: string[], events: FeedEvent[], status?: TaskStatus): boolean {
  const data = queries.getQueryData<List>(key);
  if (!data || events.length === 0) return false;
  const changes = new Map<string, Partial<TaskSummary>>();
  for (const event of events) changes.set(event.task_id!, { ...changes.get(event.task_id!), ...changeOf(event) });
  const known = new Set(data.pages.flatMap(({ items }) => items.map(({ id }) => id)));
  const pages = data.pages.map((page) => ({
    ...page,
    items: page.items
      .map((row) => (changes.has(row.id) ? { ...row, ...changes.get(row.id) } : row))
      .filter((row) => !status || row.status === status),
  }));
  queries.setQueryData<List>(key, { ...data, pages });
  return [...changes].some(([id, change]) => !known.has(id) && (!status || !change.status || change.status === status));
}

/** Puts tasks that the list lacks at its head, each once; those it has take their present state. */
function addNewest(queries: QueryClient, key: string[], items: TaskSummary[]): void {
  const data = queries.getQueryData<List>(key);
  if (!data) return;
  const fetched = new Map(items.map((item) => [item.id, item]));
  const known = new Set(data.pages.flatMap((page) => page.items.map(({ id }) => id)));
  const added = items.filter(({ id }) => !known.has(id));
  const pages = data.pages.map((page) => ({ ...page, items: page.items.map((row) => fetched.get(row.id) ?? row) }));
  pages[0] = { ...pages[0], items: [...added, ...pages[0].items].sort((a, b) => (a.id < b.id ? 1 : -1)) };
  queries.setQueryData<List>(key, { ...data, pages });
}
