/** Keeps the best `size` of all offered items, best first, without storing or sorting the others. */
export class Best<T> {
  readonly all: T[] = [];
  private most = Infinity;
  private groupOf: (one: T) => unknown = () => undefined;

  /** @param compare negative if the first is better; a total order, so that the order of offers does not matter */
  constructor(
    private readonly size: number,
    private readonly compare: (a: T, b: T) => number,
  ) {}

  /** @returns the item that is not among the best: the offered one, the one it replaced, or none */
  offer(one: T): T | null {
    const { all, size, compare } = this;
    if (all.length === size && compare(one, all[size - 1]) > 0) return one;
    const replaced = this.worstOfFullGroup(one);
    if (replaced >= 0) {
      if (compare(one, all[replaced]) > 0) return one;
      const [out] = all.splice(replaced, 1);
      this.insert(one);
      return out;
    }
    this.insert(one);
    return all.length > size ? (all.pop() as T) : null;
  }

  /**
   * From now on at most `most` items of each group are among the best.
   * @returns the items that are not among them any more
   */
  limitGroups(groupOf: (one: T) => unknown, most: number): T[] {
    const before = this.all.splice(0);
    this.groupOf = groupOf;
    this.most = most;
    return before.map((one) => this.offer(one)).filter((one) => one !== null);
  }

  /** Index of the worst item of the same group, if the group has as many items as it may; else -1. */
  private worstOfFullGroup(one: T): number {
    if (this.most === Infinity) return -1;
    const group = this.groupOf(one);
    let [count, worst] = [0, -1];
    for (let index = 0; index < this.all.length; index++) {
      if (this.groupOf(this.all[index]) !== group) continue;
      count++;
      worst = index;
    }
    return count < this.most ? -1 : worst;
  }

  private insert(one: T): void {
    let [from, to] = [0, this.all.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.compare(one, this.all[middle]) < 0) to = middle;
      else from = middle + 1;
    }
    this.all.splice(from, 0, one);
  }
}
