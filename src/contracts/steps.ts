/** Thrown when a check has used all its steps. */
export class TooCostly extends Error {}

/** A bounded amount of work. One step takes some tens of nanoseconds. */
export class Steps {
  constructor(public left: number) {}

  /** @throws TooCostly */
  take(count: number): void {
    this.left -= count;
    if (this.left < 0) throw new TooCostly();
  }
}
