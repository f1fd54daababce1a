import { SETTLED } from './hold-sql.js';

/**
 * Closes holds that are open although their tasks have ended: a worker of a release without a ledger ended them during an
 * update. A completed task is paid at its cost, without a fee. `$1`: how many at most.
 */
export const SETTLE_LATE = `
  WITH ended AS MATERIALIZED (
    SELECT tasks.id, owner_id, least(coalesce(cost_micro, 0), budget_micro) AS cost
      FROM tasks
      LEFT JOIN agents ON agents.id = agent_id
     WHERE tasks.status IN ('completed', 'failed', 'cancelled') AND hold_id > 0
     ORDER BY tasks.id
     LIMIT $1
       FOR UPDATE OF tasks
  ),
  moved AS (
    UPDATE tasks
       SET hold_id = -hold_id
      FROM ended
     WHERE tasks.id = ended.id
    RETURNING tasks.id, user_id, clock_timestamp() AS at, tasks.status AS to_status, budget_micro + max_host_cost_micro AS held_micro,
              least(host_cost_micro, max_host_cost_micro) AS host_micro, hold_id,
              agent_id AS last_agent_id, owner_id AS agent_owner_id,
              CASE WHEN tasks.status = 'completed' AND owner_id IS NOT NULL THEN cost ELSE 0 END AS owner_micro, 0::bigint AS fee_micro
  ),
  ${SETTLED}
  SELECT count(*)::int AS count FROM moved`;
