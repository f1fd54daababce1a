import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type BatchLimits, MicroBatcher } from './micro-batcher.js';

describe('a micro-batcher', () => {
  it('answers each caller its own outcome', async () => {
    const batcher = new MicroBatcher<string, string>(
      async (items) => items.map((item) => item.toUpperCase()),
      limits(),
    );
    expect(await Promise.all(['a', 'b', 'c'].map((item) => batcher.add(item)))).toEqual(['A', 'B', 'C']);
  });

  it('flushes a lone item at once and lets the next batch grow while a flush is under way', async () => {
    const { batcher, flushes } = observed();
    const first = batcher.add('a');
    const [a] = await flushes.next(1);
    expect(a.items).toEqual(['a']);

    const others = ['b', 'c', 'd'].map((item) => batcher.add(item));
    await turns(5);
    expect(flushes.begun).toBe(1);

    a.end();
    await first;
    const [, rest] = await flushes.next(2);
    expect(rest.items).toEqual(['b', 'c', 'd']);
    rest.end();
    await Promise.all(others);
    expect(flushes.begun).toBe(2);
  });

  it('answers nobody before the whole flush is done', async () => {
    const { batcher, flushes } = observed();
    let answered = false;
    const answer = batcher.add('a').then(() => (answered = true));
    const [flush] = await flushes.next(1);
    await turns(5);
    expect(answered).toBe(false);
    flush.end();
    await answer;
  });

  it('takes no more items and no more bytes than its limits allow, but always one', async () => {
    const byCount = recorded(limits({ maxItems: 2 }));
    await Promise.all(['a', 'b', 'c', 'd', 'e'].map((item) => byCount.batcher.add(item)));
    expect(byCount.batches).toEqual([['a', 'b'], ['c', 'd'], ['e']]);

    const byBytes = recorded(limits({ maxBytes: 10, bytesOf: (item) => item.length }));
    const items = ['four', 'four!!', 'x', 'more than ten bytes', 'y'];
    await Promise.all(items.map((item) => byBytes.batcher.add(item)));
    expect(byBytes.batches).toEqual([['four', 'four!!'], ['x', 'y'], ['more than ten bytes']]);
  });

  it('never lets two items of one key share a flush, nor overtake each other', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), size: fc.nat(6) }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 5 }),
        async (drawn, maxItems) => {
          const items = drawn.map((item, position) => ({ ...item, position }));
          const batches: (typeof items)[] = [];
          const batcher = new MicroBatcher<(typeof items)[number], number>(
            async (batch) => {
              batches.push(batch);
              return batch.map((item) => item.position);
            },
            { maxItems, maxBytes: 10, bytesOf: (item) => item.size, keyOf: (item) => item.key },
          );
          const outcomes = await Promise.all(items.map((item) => batcher.add(item)));

          expect(outcomes).toEqual(items.map((item) => item.position));
          for (const batch of batches) {
            expect(new Set(batch.map((item) => item.key)).size).toBe(batch.length);
            expect(batch.length).toBeLessThanOrEqual(maxItems);
          }
          for (const key of ['a', 'b', 'c']) {
            const positions = batches.flat().filter((item) => item.key === key);
            expect(positions).toEqual(items.filter((item) => item.key === key));
          }
        },
      ),
    );
  });

  it('rejects those in a failed flush alone, and goes on', async () => {
    const batcher = new MicroBatcher<string, string>(
      async (items) => {
        if (items.includes('bad')) throw new Error('no such luck');
        return items;
      },
      limits({ maxItems: 2 }),
    );
    const outcomes = await Promise.allSettled(['bad', 'beside it', 'after it'].map((item) => batcher.add(item)));
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'rejected', 'fulfilled']);
    expect(outcomes[0]).toMatchObject({ reason: new Error('no such luck') });
    expect(await batcher.add('later')).toBe('later');
  });

  it('survives a flush that throws before it is a promise', async () => {
    const batcher = new MicroBatcher<string, string>(() => {
      throw new Error('at once');
    }, limits());
    await expect(batcher.add('a')).rejects.toThrow('at once');
    await expect(batcher.add('b')).rejects.toThrow('at once');
  });

  it('refuses an item whose size or key cannot be told, and serves the others', async () => {
    const { batcher } = recorded(
      limits({
        bytesOf: (item) => {
          if (item === 'unmeasurable') throw new Error('no size');
          return 1;
        },
      }),
    );
    const outcomes = await Promise.allSettled(['a', 'unmeasurable', 'b'].map((item) => batcher.add(item)));
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await batcher.add('c')).toBe('c');
  });

  it('drains: everything handed in so far is done, also what came while draining', async () => {
    const { batcher, flushes } = observed();
    await batcher.drain();
    const done: string[] = [];
    void batcher.add('a').then(() => done.push('a'));
    const drained = batcher.drain().then(() => done.push('drained'));
    const [a] = await flushes.next(1);
    void batcher.add('b').then(() => done.push('b'));
    a.end();
    const [, b] = await flushes.next(2);
    expect(done).toEqual(['a']);
    b.end();
    await drained;
    expect(done).toEqual(['a', 'b', 'drained']);
  });
});

const limits = (changes: Partial<BatchLimits<string>> = {}): BatchLimits<string> => ({
  maxItems: 100,
  keyOf: (item) => item,
  ...changes,
});

function recorded(limitsOfBatch: BatchLimits<string>) {
  const batches: string[][] = [];
  const batcher = new MicroBatcher<string, string>(async (items) => {
    batches.push(items);
    return items;
  }, limitsOfBatch);
  return { batcher, batches };
}

interface Flush {
  items: string[];
  end(): void;
}

/** A batcher whose flushes end when the test says so. */
function observed() {
  const begun: Flush[] = [];
  const batcher = new MicroBatcher<string, string>(
    (items) => new Promise((resolve) => begun.push({ items, end: () => resolve(items) })),
    limits(),
  );
  const flushes = {
    get begun(): number {
      return begun.length;
    },
    /** Waits until so many flushes have begun. */
    async next(count: number): Promise<Flush[]> {
      while (begun.length < count) await turns(1);
      return begun;
    },
  };
  return { batcher, flushes };
}

/** Lets the event loop turn. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}
