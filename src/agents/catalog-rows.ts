import type { Permissions } from '../common/permissions.dto.js';
import type { VersionLimits } from './agent-binary.entity.js';

/** The statements of the agent catalogue, and the rows that they return. */

export interface AgentRow {
  id: string;
  revision: string;
  /** Whether it can bid; if not, it has no version. */
  bids: boolean;
  owner_id: string;
  name: string;
  capabilities: string[];
  price_micro: string;
  price_per_kb_micro: string;
  surge: number;
  max_concurrency: number | null;
  region: string | null;
  expected_duration_ms: number | null;
  tasks_completed: number;
  duration_p80_ms: number | null;
  estimate_ratio: number | null;
  rating_sum: number;
  rating_count: number;
  raters: number;
  rater_mean_sum: number;
  last_invited_at: Date | null;
  version: string;
  sha256: string;
  storage_ref: string;
  limits: VersionLimits | null;
  permissions: Permissions | null;
  version_id: string;
  has_input_schema: boolean;
  has_output_schema: boolean;
}

/** All transactions before this one have ended. */
export const HORIZON = 'pg_snapshot_xmin(pg_current_snapshot())::text::bigint';
/** This transaction and all later ones have not begun. */
const UNBEGUN = 'pg_snapshot_xmax(pg_current_snapshot())::text::bigint';

const AGENT = `
  SELECT a.id, a.revision, a.owner_id, a.name, a.capabilities, a.price_micro, a.price_per_kb_micro, a.surge,
         a.max_concurrency, a.region, a.expected_duration_ms,
         s.tasks_completed, s.duration_p80_ms, s.estimate_ratio, s.rating_sum, s.rating_count, s.raters, s.rater_mean_sum,
         s.last_invited_at,
         b.version, b.sha256, b.storage_ref, b.limits, b.permissions,
         b.id AS version_id, b.input_schema IS NOT NULL AS has_input_schema, b.output_schema IS NOT NULL AS has_output_schema,
         a.status = 'active' AND a.moderation = 'allowed' AND b.id IS NOT NULL AND o.suspended_at IS NULL AS bids, ${HORIZON} AS horizon
    FROM agents a
    JOIN users o ON o.id = a.owner_id
    JOIN agent_statistics s ON s.agent_id = a.id
    LEFT JOIN agent_binaries b ON b.id = a.active_binary_id`;

export const ALL = `${AGENT}
   WHERE a.id > $1 AND a.status = 'active' AND a.moderation = 'allowed' AND a.active_binary_id IS NOT NULL
   ORDER BY a.id
   LIMIT $2`;

/**
 * Rows restored from another server's backup may carry transaction ids in this server's future: those are not changes.
 */
export const CHANGED = `${AGENT}
   WHERE a.id IN (
     SELECT id FROM agents WHERE revision >= $1 AND revision < ${UNBEGUN}
      UNION
     SELECT agent_id FROM agent_statistics WHERE revision >= $1 AND revision < ${UNBEGUN}
   )`;

export const LOAD = `
  SELECT agent_id, count(*)::int AS count FROM tasks WHERE status IN ('assigned', 'running') GROUP BY agent_id`;

/** Locks rows in the order of their ids, like all code that changes several. */
export const INVITED = `
  UPDATE agent_statistics SET last_invited_at = now()
    FROM (SELECT agent_id FROM agent_statistics WHERE agent_id = ANY($1::uuid[]) ORDER BY agent_id FOR UPDATE) AS invited
   WHERE agent_statistics.agent_id = invited.agent_id`;
