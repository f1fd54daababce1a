import { describe, expect, it } from '@jest/globals';
import type { EventLog, FeedEvent, FeedListener, FeedTail } from '../feed/index.js';
import { Hub, type Replay, type Subscriber } from './hub.js';
import type { Topic } from './topic.js';

const TASK: Topic = { kind: 'task', id: 'task-1' };
const USER: Topic = { kind: 'user', id: 'user-1' };

describe('a subscription', () => {
  it('without a cursor gets what happens from now on', async () => {
    const { hub, feed } = await open();
    feed.append(task());
    const reader = await subscribe(hub, TASK);
    feed.append(task(), task('another task'));
    expect(reader.replay).toEqual({ events: [], complete: true });
    expect(reader.live).toEqual([2]);
  });

  it('with a cursor gets the past after it, then the live feed, without gap or double', async () => {
    const { hub, feed } = await open();
    feed.append(task(), task(), task('another task'), task());
    const reader = await subscribe(hub, TASK, 1);
    feed.append(task());
    expect(reader.past()).toEqual([2, 4]);
    expect(reader.live).toEqual([5]);
  });

  it('gathers what comes while the past is read, and hands it over once and in order', async () => {
    const { hub, feed } = await open();
    feed.append(task(), task());
    // Read as it is now, and answered later: 3 is live only, 4 both read and live.
    const pending = feed.holdReads();
    const reading = subscribe(hub, TASK, 0);
    feed.append(task());
    pending.beforeAnswer(() => feed.append(task()));
    pending.answer();
    const reader = await reading;
    feed.append(task());
    expect(reader.past()).toEqual([1, 2, 3, 4]);
    expect(reader.live).toEqual([5]);
  });

  it('gets nothing twice when the table was ahead of the tail', async () => {
    const { hub, feed } = await open();
    feed.append(task());
    feed.commit(task(), task());
    const resuming = await subscribe(hub, TASK, 1);
    const upToDate = await subscribe(hub, TASK, 3);
    feed.catchUp();
    feed.append(task());
    expect(resuming.past()).toEqual([2, 3]);
    expect(resuming.live).toEqual([4]);
    expect(upToDate.past()).toEqual([]);
    expect(upToDate.live).toEqual([4]);
  });

  it('to a long past is answered page by page and in order', async () => {
    const { hub, feed } = await open();
    feed.append(...Array.from({ length: 1234 }, () => task()));
    const reader = await subscribe(hub, TASK, 0);
    expect(reader.past()).toEqual(Array.from({ length: 1234 }, (_, index) => index + 1));
    expect(reader.replay?.complete).toBe(true);
  });

  it('to too long a past is answered in part and not begun; asking again reaches the live feed', async () => {
    const { hub, feed } = await open();
    feed.append(...Array.from({ length: 6000 }, () => task()));
    const first = await subscribe(hub, TASK, 0);
    expect(first.replay?.complete).toBe(false);
    const last = first.past().at(-1) as number;
    expect(first.past()).toEqual(Array.from({ length: last }, (_, index) => index + 1));

    feed.append(task());
    expect(first.live).toEqual([]);
    const second = await subscribe(hub, TASK, last);
    expect(second.replay?.complete).toBe(true);
    expect([...first.past(), ...second.past()]).toEqual(Array.from({ length: 6001 }, (_, index) => index + 1));
  });

  it('to a past of large events carries about a megabyte of them, and the rest when asked again', async () => {
    const { hub, feed } = await open();
    feed.append(...Array.from({ length: 100 }, () => ({ ...task(), data: { text: 'x'.repeat(64 * 1024) } })));
    const first = await subscribe(hub, TASK, 0);
    expect(first.replay?.complete).toBe(false);
    expect(first.past()).toEqual(Array.from({ length: 16 }, (_, index) => index + 1));
    const rest = await subscribe(hub, TASK, 90);
    expect(rest.replay?.complete).toBe(true);
    expect(rest.past()).toEqual([91, 92, 93, 94, 95, 96, 97, 98, 99, 100]);
  });

  it('tells where to resume when it ends, and nothing for a topic that was not followed', async () => {
    const { hub, feed } = await open();
    feed.append(task(), task());
    const reader = await subscribe(hub, TASK, 0);
    expect(hub.unsubscribe(TASK, reader)).toBe(2);
    expect(hub.unsubscribe(TASK, reader)).toBeUndefined();
  });

  it('misses nothing of a task that began after what was deleted, and tells so of another', async () => {
    const { hub, feed } = await open();
    feed.append(...Array.from({ length: 9 }, () => task('an old task')), { ...task(), type: 'task.queued' }, task());
    feed.oldest = 9;
    expect((await subscribe(hub, TASK, 0)).replay).not.toHaveProperty('gap');
    const old = await subscribe(hub, { kind: 'task', id: 'an old task' }, 0);
    expect(old.replay).toMatchObject({ gap: true, oldest_seq: 9 });
    expect((await subscribe(hub, USER, 0)).replay).toMatchObject({ gap: true, oldest_seq: 9 });
  });

  it('after a cursor beyond the end, as of a database restored since, is told so and gets what comes', async () => {
    const { hub, feed } = await open();
    feed.append(task());
    const pending = feed.holdReads();
    const reading = subscribe(hub, TASK, 1000);
    feed.append(task());
    pending.answer();
    const reader = await reading;
    feed.append(task());
    expect(reader.replay).toMatchObject({ gap: true, oldest_seq: 1, complete: true });
    expect(reader.past()).toEqual([2]);
    expect(reader.live).toEqual([3]);
    expect(hub.unsubscribe(TASK, reader)).toBe(3);
    expect((await subscribe(hub, TASK, 3)).replay).not.toHaveProperty('gap');
  });

  it('ends with unsubscribe, for this topic and this subscriber alone', async () => {
    const { hub, feed } = await open();
    const [leaving, staying] = [await subscribe(hub, TASK), await subscribe(hub, TASK)];
    await subscribe(hub, USER, undefined, leaving);
    hub.unsubscribe(TASK, leaving);
    feed.append(task(), { ...task('another task'), user_id: USER.id });
    expect(leaving.live).toEqual([2]);
    expect(staying.live).toEqual([1]);
  });

  it('leaves nothing behind when the past cannot be read', async () => {
    const { hub, feed } = await open();
    const pending = feed.holdReads();
    const reader = collector();
    const attempt = hub.subscribe(TASK, reader, 0, reader.onReplay);
    pending.fail(new Error('the database is away'));
    await expect(attempt).rejects.toThrow('the database is away');
    feed.append(task());
    expect(reader).toMatchObject({ live: [], replay: null });
  });
});

describe('a subscriber of both a user and a task', () => {
  it('gets an event of both once', async () => {
    const { hub, feed } = await open();
    const reader = await subscribe(hub, TASK);
    await subscribe(hub, USER, undefined, reader);
    feed.append({ ...task(), user_id: USER.id }, { ...task('another task'), user_id: USER.id }, task());
    expect(reader.live).toEqual([1, 2, 3]);
  });

  it('gets every event of both live once, also when the past of one is read meanwhile and ahead of the live feed', async () => {
    const { hub, feed } = await open();
    const ofBoth = { ...task(), user_id: USER.id };
    const reader = await subscribe(hub, USER, undefined, collector(true));
    feed.append(ofBoth);
    const pending = feed.holdReads();
    const reading = subscribe(hub, TASK, 1, reader);
    feed.append(ofBoth);
    feed.commit(ofBoth);
    pending.answer();
    await reading;
    feed.catchUp();
    feed.append(ofBoth);
    expect(reader.past()).toEqual([2]);
    expect(reader.live).toEqual([1, 2, 3, 4]);
  });

  it('still gets what was meant for the replay of one when that fails', async () => {
    const { hub, feed } = await open();
    const reader = await subscribe(hub, USER);
    const pending = feed.holdReads();
    const reading = subscribe(hub, TASK, 0, reader);
    feed.append({ ...task(), user_id: USER.id }, task());
    pending.fail(new Error('the database is away'));
    await expect(reading).rejects.toThrow('the database is away');
    expect(reader.live).toEqual([1]);
  });

  it.each([
    ['ended', (hub: Hub, reader: Reader) => void hub.unsubscribe(TASK, reader)],
    ['asked for anew', (hub: Hub, reader: Reader) => void subscribe(hub, TASK, 1, reader)],
  ])('still gets what was meant for the replay of one that is %s', async (_, replace) => {
    const { hub, feed } = await open();
    const reader = await subscribe(hub, USER);
    feed.append({ ...task(), user_id: USER.id });
    const pending = feed.holdReads();
    const reading = subscribe(hub, TASK, 0, reader);
    feed.append({ ...task(), user_id: USER.id });
    replace(hub, reader);
    feed.append({ ...task('another task'), user_id: USER.id });
    pending.answer();
    await reading;
    expect(reader.live).toEqual([1, 2, 3]);
  });

  it('gets the events of one in order while too long a past of the other is read', async () => {
    const { hub, feed } = await open();
    const reader = await subscribe(hub, USER);
    feed.append(...Array.from({ length: 6000 }, () => task()));
    const pending = feed.holdReads();
    const reading = subscribe(hub, TASK, 0, reader);
    feed.append({ ...task(), user_id: USER.id });
    feed.append({ ...task('another task'), user_id: USER.id });
    pending.answer();
    await reading;
    feed.append({ ...task(), user_id: USER.id });
    expect(reader.replay?.complete).toBe(false);
    expect(reader.live).toEqual([6001, 6002, 6003]);
  });

  it('goes on with the one while the past of the other is read', async () => {
    const { hub, feed } = await open();
    const reader = await subscribe(hub, USER);
    const pending = feed.holdReads();
    const reading = subscribe(hub, TASK, 0, reader);
    feed.append({ ...task('another task'), user_id: USER.id });
    expect(reader.live).toEqual([1]);
    pending.answer();
    await reading;
  });
});

it('hands events about nobody in particular to nobody', async () => {
  const { hub, feed } = await open();
  const reader = await subscribe(hub, USER);
  feed.append({ ...task('another task'), task_id: null });
  expect(reader.live).toEqual([]);
});

it('hands an announcement to everybody once, at a cost that grows with their number alone', async () => {
  const { hub, feed } = await open();
  const readers = await Promise.all(
    Array.from({ length: 20_000 }, (_, index) => subscribe(hub, { kind: 'user', id: `user-${index}` })),
  );
  await subscribe(hub, TASK, undefined, readers[0]);
  feed.append({ ...task(), type: 'system.announcement' });
  expect(readers.every(({ live }) => live.length === 1)).toBe(true);
});

interface Reader extends Subscriber {
  live: number[];
  replay: Replay | null;
  onReplay(past: Replay): void;
  past(): number[];
}

function collector(followsSeveral = false): Reader {
  const reader: Reader = {
    followsSeveral,
    live: [],
    replay: null,
    deliver: (event) => void reader.live.push(event.seq),
    onReplay: (past) => void (reader.replay = past),
    past: () => (reader.replay?.events ?? []).map((event) => event.seq),
  };
  return reader;
}

async function subscribe(hub: Hub, topic: Topic, afterSeq?: number, reader = collector()): Promise<Reader> {
  await hub.subscribe(topic, reader, afterSeq, reader.onReplay);
  return reader;
}

type Draft = Pick<FeedEvent, 'task_id' | 'user_id'> & Partial<Pick<FeedEvent, 'type' | 'data'>>;

const task = (id = TASK.id): Draft => ({ task_id: id, user_id: null });

async function open() {
  const feed = new Feed();
  const hub = new Hub(feed as unknown as EventLog, feed as unknown as FeedTail);
  await hub.onApplicationBootstrap();
  return { hub, feed };
}

/** Log and tail in memory: what is committed can be read, and reaches the tail's listener when that catches up. */
class Feed {
  private readonly events: FeedEvent[] = [];
  private listener: (events: FeedEvent[]) => void = () => undefined;
  position = 0;
  private stall: Promise<void> | null = null;
  private beforeAnswer: () => void = () => undefined;

  async follow({ deliver }: FeedListener): Promise<void> {
    this.listener = deliver;
  }

  append(...drafts: Draft[]): void {
    this.commit(...drafts);
    this.catchUp();
  }

  commit(...drafts: Draft[]): void {
    const base = { type: 'task.log', agent_owner_id: null, data: {}, at: new Date(0).toISOString() } as const;
    const events = drafts.map((draft, index) => ({ ...base, ...draft, seq: this.events.length + index + 1 }));
    this.events.push(...events);
  }

  catchUp(): void {
    const events = this.events.slice(this.position);
    this.position = this.events.length;
    this.listener(events);
  }

  /** From now on reads wait until they are told to answer or to fail. */
  holdReads() {
    let answer!: () => void;
    let fail!: (error: Error) => void;
    this.stall = new Promise<void>((resolve, reject) => {
      answer = resolve;
      fail = reject;
    });
    return { answer, fail, beforeAnswer: (act: () => void) => void (this.beforeAnswer = act) };
  }

  oldest = 1;

  async bounds(): Promise<{ oldest: number; last: number }> {
    return { oldest: this.oldest, last: this.events.length };
  }

  readTask(id: string, seq: number, limit: number): Promise<FeedEvent[]> {
    return this.read((event) => event.task_id === id && event.seq > seq, limit);
  }

  readUser(id: string, seq: number, limit: number): Promise<FeedEvent[]> {
    return this.read((event) => event.user_id === id && event.seq > seq, limit);
  }

  private async read(wanted: (event: FeedEvent) => boolean, limit: number): Promise<FeedEvent[]> {
    const { stall } = this;
    this.stall = null;
    if (!stall) return this.events.filter(wanted).slice(0, limit);
    await stall;
    const page = this.events.filter(wanted).slice(0, limit);
    this.beforeAnswer();
    return page;
  }
}
