/** Keeps the best `size` of all offered items, best first, without storing or sorting the others. */
export class Best<T> {
  readonly all: T[] = [];

  /** @param compare negative if the first is better; a total order, so that the order of offers does not matter */
  constructor(
    private readonly size: number,
    private readonly compare: (a: T, b: T) => number,
  ) {}

  /** @returns the item that is not among the best: the offered one, the one it replaced, or none */
  offer(one: T): T | null {
    const { all, size, compare } = this;
    if (all.length === size && compare(one, all[size - 1]) > 0) return one;
    let [from, to] = [0, all.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (compare(one, all[middle]) < 0) to = middle;
      else from = middle + 1;
    }
    all.splice(from, 0, one);
    return all.length > size ? (all.pop() as T) : null;
  }
}
