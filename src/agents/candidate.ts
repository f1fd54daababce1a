import type { Permissions } from '../common/permissions.dto.js';
import type { VersionLimits } from './agent-binary.entity.js';

/**
 * What an auction knows of a bidder: an active, allowed agent with an active version and an owner who is not suspended.
 */
export interface Candidate {
  agentId: string;
  /** Revision of the agent as read: an award is refused if the agent has changed since. */
  revision: string;
  ownerId: string;
  name: string;
  capabilities: readonly string[];
  pricing: PricePolicy;
  /** Tasks it is working on, as far as this process knows; 0 for agents without a limit. */
  running: number;
  region: string | null;
  /** Smoothed, 0–5. */
  rating: number;
  /** The highest rating that the votes of distinct accounts leave possible, up to 5. */
  highestRating: number;
  /** Accounts that have voted. */
  raters: number;
  tasksCompleted: number;
  estimatedMs: number;
  /** Milliseconds since the epoch; 0: never. */
  lastInvitedAt: number;
  version: string;
  sha256: string;
  storageRef: string;
  /** Limits of a run of the version; null: the server's. */
  limits: VersionLimits | null;
  /** What the version may ask of the host; null: nothing. */
  permissions: Permissions | null;
  /** What the version declares of its inputs and outputs; null: nothing. */
  contract: CandidateContract | null;
}

/** Which schemas a version declares. `VersionContracts` reads them. */
export interface CandidateContract {
  versionId: string;
  input: boolean;
  output: boolean;
}

/** The price an agent asks. */
export interface PricePolicy {
  baseMicro: bigint;
  /** Added for each started KiB of input. */
  perKbMicro: bigint;
  /** Factor on the price at full load; at least 1. */
  surge: number;
  /** Maximum of concurrent tasks; null: no limit. */
  maxConcurrency: number | null;
}
