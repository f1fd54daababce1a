/**
 * How the hot statements of `src/tasks` move money. They are parts of those statements, so a task and its money change
 * together or not at all.
 *
 * They take the feed's lock before they read or lock a balance. Every other transaction that reduces a balance, or that
 * locks several, takes that lock first as well. So a balance that was read under the lock can only have grown since, and
 * transactions cannot deadlock over balances.
 */

/**
 * Decides which offers their users can pay. Needs the CTE `offer (number, user_id, amount)`. Adds:
 * - `purse`: what each of these users can spend, as last committed;
 * - `priced (number, user_id, amount, affordable, available)`: `available` is what the affordable ones leave over.
 *
 * Offers of one user are taken smallest first, so an offer is refused only if it does not fit into what is left.
 */
export const PRICED = `
  purse AS MATERIALIZED (
    SELECT user_id, ledger_purse(user_id) AS available_micro FROM (SELECT DISTINCT user_id FROM offer) AS payer
  ),
  queued_offer AS (
    SELECT number, user_id, amount, coalesce(available_micro, 0) AS available_micro,
           sum(amount) OVER (PARTITION BY user_id ORDER BY amount, number) AS so_far
      FROM offer
      LEFT JOIN purse USING (user_id)
  ),
  priced AS MATERIALIZED (
    SELECT number, user_id, amount, so_far <= available_micro AS affordable,
           available_micro - coalesce(max(so_far) FILTER (WHERE so_far <= available_micro) OVER (PARTITION BY user_id), 0)
             AS available
      FROM queued_offer
  )`;

/** Draws the id of a hold, which its transfer and its task share. */
export const NEW_HOLD_ID = `nextval('ledger_transfers_id_seq')`;

/**
 * Moves the money of tasks that changed their state. Needs the CTE `moved` with one row a task: `id`, `user_id`, `at`,
 * `to_status`, `held_micro` (the whole hold), `hold_id` as it is now, `opens` (the hold was opened just now), `host_micro`
 * (the cost of host calls), and for a completed task `last_agent_id`, `agent_owner_id`, `owner_micro` and `fee_micro`, else 0.
 *
 * Host calls are paid whatever the end of the task: the market has paid for them already.
 *
 * A negative `hold_id` on a task that ended says that this change closed the hold. A task without a hold moves no money.
 */
export const SETTLED = `
  settled AS MATERIALIZED (
    SELECT *, to_status IN ('completed', 'failed', 'cancelled') AND hold_id < 0 AS closes
      FROM moved
     WHERE hold_id IS NOT NULL
  ),
  closing AS (
    INSERT INTO ledger_transfers
      (kind, debit_account, debit_user, credit_account, credit_user, amount_micro, task_id, hold_id, agent_id, at)
    SELECT part.kind, 'held', user_id, part.account, part.payee, part.amount, id, -hold_id, last_agent_id, at
      FROM settled,
           LATERAL (VALUES ('post', 'available', agent_owner_id, owner_micro),
                           ('fee', 'fees', NULL, fee_micro),
                           ('host_calls', 'fees', NULL, host_micro),
                           ('release', 'available', user_id, held_micro - owner_micro - fee_micro - host_micro))
             AS part(kind, account, payee, amount)
     WHERE closes AND part.amount > 0
     ORDER BY id
  ),
  opening AS (
    INSERT INTO ledger_transfers
      (id, hold_id, kind, debit_account, debit_user, credit_account, credit_user, amount_micro, task_id, at)
    SELECT hold_id, hold_id, 'hold', 'available', user_id, 'held', user_id, held_micro, id, at FROM settled WHERE opens
  ),
  balance AS (
    UPDATE ledger_balances
       SET available_micro = available_micro + delta.available, held_micro = held_micro + delta.held
      FROM (SELECT user_id,
                   sum(CASE WHEN opens THEN -held_micro ELSE held_micro - owner_micro - fee_micro - host_micro END) AS available,
                   sum(CASE WHEN opens THEN held_micro ELSE -held_micro END) AS held
              FROM settled
             WHERE opens OR closes
             GROUP BY user_id) AS delta
     WHERE ledger_balances.user_id = delta.user_id
  )`;
