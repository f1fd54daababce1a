import { trap } from './faults.js';

/** A type of resources. Two are the same only when they are the same object. */
export interface ResourceType {
  kind: 'resource';
  /** Of a host's resource; guests' resources have none. */
  name?: string;
  /** The class of a host's resource. */
  hostClass?: abstract new (...args: never[]) => object;
  /** The instance that implements a guest's resource. */
  owner?: InstanceState;
  destructor?: (representation: number) => void;
}

/** A guest's resource on its way between instances. */
export class GuestResource {
  constructor(
    readonly type: ResourceType,
    readonly representation: number,
  ) {}
}

/** What one call lends and borrows. */
export interface CallScope {
  /** Handles that are lent until the call ends. */
  lent: HandleEntry[];
  /** Borrowed handles that the callee has not dropped. */
  borrowed: number;
}

export interface HandleEntry {
  type: ResourceType;
  /** A number of the guest's choice, or an object of the host. */
  representation: number | object;
  owns: boolean;
  /** Running calls to which it is lent. */
  lends: number;
  /** The call that a borrowed handle belongs to. */
  scope?: CallScope;
}

/** Handles that an instance may have at a time. */
const MOST_HANDLES = 100_000;

/** The handles of one component instance. Index 0 is never used. */
class HandleTable {
  private readonly entries: (HandleEntry | undefined)[] = [undefined];
  private readonly free: number[] = [];

  add(entry: HandleEntry): number {
    const index = this.free.pop() ?? this.entries.length;
    if (index > MOST_HANDLES) trap(`an instance has more than ${MOST_HANDLES} handles`);
    this.entries[index] = entry;
    return index;
  }

  get(index: number, type: ResourceType): HandleEntry {
    const entry = this.entries[index];
    if (!entry) trap(`there is no handle ${index}`);
    if (entry.type !== type) trap(`handle ${index} is of another resource`);
    return entry;
  }

  remove(index: number): void {
    this.entries[index] = undefined;
    this.free.push(index);
  }
}

/** What the rules of the component model say about one component instance. */
export class InstanceState {
  readonly handles = new HandleTable();
  /** Whether its code may call out; not while it allocates or cleans up. */
  mayLeave = true;
  /** Whether a call from outside is running in it. */
  entered = false;

  /** @throws ComponentTrap when it is already in a call: instances are not reentrant */
  enter<Result>(work: () => Result): Result {
    if (this.entered) trap('an instance was called while it was in a call');
    this.entered = true;
    try {
      return work();
    } finally {
      this.entered = false;
    }
  }

  /** Runs guest code that may not call out. */
  withoutLeaving<Result>(work: () => Result): Result {
    this.mayLeave = false;
    try {
      return work();
    } finally {
      this.mayLeave = true;
    }
  }

  assertMayLeave(): void {
    if (!this.mayLeave) trap('an instance called out while it allocated or cleaned up');
  }
}

/** Ends the loans of a call. */
export function returnLoans(scope: CallScope): void {
  for (const entry of scope.lent) entry.lends--;
  scope.lent.length = 0;
}

/** A resource of the host that must know when the guest has dropped it. */
export interface Droppable {
  dropped(): void;
}

/** `resource.drop` */
export function dropHandle(instance: InstanceState, type: ResourceType, index: number): void {
  instance.assertMayLeave();
  const entry = instance.handles.get(index, type);
  if (entry.lends > 0) trap(`handle ${index} was dropped while it was lent`);
  instance.handles.remove(index);
  if (entry.scope) {
    entry.scope.borrowed--;
    return;
  }
  if (!entry.owns) return;
  if (type.hostClass) (entry.representation as Partial<Droppable>).dropped?.();
  if (!type.destructor) return;
  const destroy = (): void => type.destructor!(entry.representation as number);
  if (type.owner === instance || !type.owner) destroy();
  else type.owner.enter(destroy);
}
