/**
 * Micro-batching: callers hand in single items, and one flush at a time carries whatever has gathered meanwhile. A lone
 * item goes out at once; under load the batch grows with the time a flush takes, so a statement and its commit are
 * shared by many callers without a timer and without anyone waiting for a batch to fill.
 *
 * Each caller gets its own item's outcome, and only after the whole flush (the commit) is done. A failed flush rejects
 * every caller in it.
 */
export class MicroBatcher<Item, Outcome> {
  private waiting: Entry<Item, Outcome>[] = [];
  private flushing: Promise<void> | null = null;

  /** @param flush writes the items, answers their outcomes in the same order */
  constructor(
    private readonly flush: (items: Item[]) => Promise<Outcome[]>,
    private readonly limits: BatchLimits<Item>,
  ) {}

  add(item: Item): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      // Here, so that an item which cannot be measured is refused by itself.
      const { keyOf, bytesOf } = this.limits;
      this.waiting.push({ item, key: keyOf?.(item), bytes: bytesOf?.(item) ?? 0, resolve, reject });
      // Starting on the next turn lets all items of this turn share the first flush.
      this.flushing ??= new Promise<void>((done) => setImmediate(() => void this.run().then(done)));
    });
  }

  /**
   * Takes back the first such item that no flush has taken yet. Its `add` never resolves.
   * @returns whether it was in time
   */
  withdraw(isIt: (item: Item) => boolean): boolean {
    const place = this.waiting.findIndex(({ item }) => isIt(item));
    if (place < 0) return false;
    this.waiting.splice(place, 1);
    return true;
  }

  /** Resolves when nothing is waiting or under way. */
  async drain(): Promise<void> {
    while (this.flushing) await this.flushing;
  }

  private async run(): Promise<void> {
    while (this.waiting.length > 0) {
      const batch = this.takeBatch();
      try {
        const outcomes = await this.flush(batch.map((entry) => entry.item));
        batch.forEach((entry, index) => entry.resolve(outcomes[index]));
      } catch (error) {
        for (const entry of batch) entry.reject(error);
      }
    }
    this.flushing = null;
  }

  private takeBatch(): Entry<Item, Outcome>[] {
    const { maxItems, maxBytes = Infinity } = this.limits;
    const keys = new Set<string>();
    const batch: Entry<Item, Outcome>[] = [];
    const later: Entry<Item, Outcome>[] = [];
    let bytes = 0;
    for (const entry of this.waiting) {
      const fits = batch.length === 0 || (batch.length < maxItems && bytes + entry.bytes <= maxBytes);
      const isTurn = entry.key === undefined || !keys.has(entry.key);
      if (fits && isTurn) {
        batch.push(entry);
        bytes += entry.bytes;
      } else {
        later.push(entry);
      }
      // A key stays taken even by an entry that was put off, or a third one would overtake it.
      if (entry.key !== undefined) keys.add(entry.key);
    }
    this.waiting = later;
    return batch;
  }
}

export interface BatchLimits<Item> {
  maxItems: number;
  /** A flush stays below this, unless a single item is larger. Unset: sizes do not matter. */
  maxBytes?: number;
  bytesOf?: (item: Item) => number;
  /** Items of one key never share a flush: the second waits for the next, so that each sees the other's effect. Unset or undefined: all may. */
  keyOf?: (item: Item) => string | undefined;
}

interface Entry<Item, Outcome> {
  item: Item;
  key: string | undefined;
  bytes: number;
  resolve: (outcome: Outcome) => void;
  reject: (error: unknown) => void;
}
