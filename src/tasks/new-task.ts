import type { ConsentKind } from '../common/permissions.js';
import type { AuctionWeights } from '../config/index.js';
import type { TaskPriority } from '../queue/index.js';
import type { TaskLimits } from './task.entity.js';

/** A task as it is stored at its submission. */
export interface NewTask {
  id: string;
  userId: string;
  priority: TaskPriority;
  description: string | null;
  requiredCapabilities: string[];
  budgetMicro: bigint;
  /** JSON text; null: `inputRef` is there instead. */
  inputText: string | null;
  /** SHA-256 of a document of the user's. */
  inputRef: string | null;
  resultByRef: boolean;
  weights: AuctionWeights | null;
  limits: TaskLimits | null;
  region: string | null;
  regionRequired: boolean;
  shareLogs: boolean;
  /** Kinds of permission that its agents may use. */
  allow: ConsentKind[];
  /** The most its agents' host calls may cost. */
  maxHostCostMicro: bigint;
  timeoutMs: number;
  runAt: Date | null;
  deadline: Date | null;
  /** The failed task that this one repeats. */
  retryOf: string | null;
  /** Groups tasks of one conversation, by a name of the submitter's. */
  contextId: string | null;
  /** The only agent that may bid; null: any. */
  onlyAgentId: string | null;
  /** Waits for its turn, outside the queue. */
  throttled: boolean;
}
