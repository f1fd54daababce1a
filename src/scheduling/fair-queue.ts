/**
 * Start-time fair queueing: whose task runs next, so that each active user gets slot time by its weight. The weight is
 * 1 unless an admin granted more.
 *
 * - A user's *tag* is the slot time that its tasks have used, divided by its weight, ms on the scale of virtual time. It
 *   grows while they run.
 * - *Virtual time* grows by the slot time that all tasks use, divided by the weight of all active users. A user that
 *   becomes active starts at virtual time: an idle user saves nothing up, and earlier users do not wait for an endless
 *   row of newcomers.
 * - A user's next task has the start tag `tag + expected cost of what it has under way`. The smallest start tag is
 *   next.
 * - The expected cost is the average of all tasks that ended. It is the same for all users, so no user can look cheap.
 * - A user that has its share of the running tasks comes after users that have less. Slots stay busy all the same.
 *
 * Source: Goyal, Vin and Cheng, "Start-time fair queuing", IEEE/ACM Transactions on Networking 5(5), 1997. Virtual time
 * by the number of active users, and a guessed cost that the end of a task corrects, are those of Kubernetes' API
 * Priority and Fairness.
 */
export class FairQueue {
  private virtualTime = 0;
  private expectedMs = FIRST_EXPECTED_MS;
  private readonly tags = new Map<string, number>();
  /** Weight of each active user. */
  private active: ReadonlyMap<string, number> = new Map();
  private activeWeight = 0;

  /**
   * Names the users that have tasks waiting or running now. To be called before `charge` and `next` whenever they
   * change.
   * @param users with their weights, 1 or more
   */
  setActive(users: ReadonlyMap<string, number>): void {
    for (const [user, tag] of this.tags) if (!users.has(user) && tag <= this.virtualTime) this.tags.delete(user);
    for (const user of users.keys()) {
      if (!this.active.has(user)) this.tags.set(user, Math.max(this.virtualTime, this.tags.get(user) ?? 0));
    }
    this.active = users;
    this.activeWeight = [...users.values()].reduce((sum, weight) => sum + weight, 0);
  }

  /** Forgets what users consumed. */
  reset(): void {
    this.virtualTime = 0;
    this.tags.clear();
    this.setActive(new Map());
  }

  /** Counts slot time that a task of the user has used since the last call, ms. */
  charge(user: string, ms: number): void {
    this.tags.set(user, (this.tags.get(user) ?? this.virtualTime) + ms / this.weightOf(user));
    this.virtualTime += ms / Math.max(1, this.activeWeight);
  }

  /** Learns what an ended task has used in all, ms. */
  learn(usedMs: number): void {
    this.expectedMs += (usedMs - this.expectedMs) * LEARNING_RATE;
  }

  /**
   * Chooses the tasks whose turn is next. Changes nothing.
   * @param waiting each user's tasks in the user's own order
   * @param underWay tasks that have had their turn
   * @returns at most `count` of the waiting ones, in the order of their turns
   */
  next<Task extends WaitingTask>(waiting: readonly Task[], underWay: readonly TaskUnderWay[], count: number): Task[] {
    const users = this.linesOf(waiting, underWay);
    const weights = [...users.values()].reduce((sum, { weight }) => sum + weight, 0);
    const share = (underWay.length + count) / weights;
    const chosen: Task[] = [];
    const waits = [...users.values()].filter(({ tasks }) => tasks.length > 0);
    while (chosen.length < count) {
      let best: UserLine<Task> | undefined;
      for (const line of waits)
        if (line.at < line.tasks.length && (!best || comesBefore(line, best, share))) best = line;
      if (!best) break;
      chosen.push(best.tasks[best.at++]);
      best.underWay++;
      best.startTag += this.expectedMs / best.weight;
    }
    return chosen;
  }

  private linesOf<Task extends WaitingTask>(waiting: readonly Task[], underWay: readonly TaskUnderWay[]) {
    const lines = new Map<string, UserLine<Task>>();
    const lineOf = (user: string): UserLine<Task> => {
      let line = lines.get(user);
      if (!line) {
        line = {
          tasks: [],
          at: 0,
          underWay: 0,
          startTag: this.tags.get(user) ?? this.virtualTime,
          weight: this.weightOf(user),
        };
        lines.set(user, line);
      }
      return line;
    };
    for (const task of waiting) lineOf(task.user).tasks.push(task);
    for (const { user, usedMs } of underWay) {
      const line = lineOf(user);
      line.underWay++;
      line.startTag += Math.max(0, this.expectedMs - usedMs) / line.weight;
    }
    return lines;
  }

  private weightOf(user: string): number {
    return this.active.get(user) ?? 1;
  }
}

export interface WaitingTask {
  /** Ids sort by the time of submission. */
  id: string;
  user: string;
}

export interface TaskUnderWay {
  user: string;
  /** Slot time that it has used so far, ms; 0 while it still has no slot. */
  usedMs: number;
}

interface UserLine<Task> {
  tasks: Task[];
  /** Place of the first task that is not chosen yet. */
  at: number;
  underWay: number;
  startTag: number;
  weight: number;
}

/**
 * Users below their share first, then the smallest start tag, then the task that was submitted first.
 * @param share tasks under way for a weight of 1
 */
function comesBefore<Task extends WaitingTask>(one: UserLine<Task>, other: UserLine<Task>, share: number): boolean {
  const isOver = ({ underWay, weight }: UserLine<Task>): boolean => underWay >= Math.max(1, Math.ceil(share * weight));
  const [oneIsOver, otherIsOver] = [isOver(one), isOver(other)];
  if (oneIsOver !== otherIsOver) return otherIsOver;
  if (one.startTag !== other.startTag) return one.startTag < other.startTag;
  return one.tasks[one.at].id < other.tasks[other.at].id;
}

/** Expected cost before any task has ended, ms. */
const FIRST_EXPECTED_MS = 100;
/** Weight of the newest task in the average. */
const LEARNING_RATE = 0.05;
