/**
 * How the hot statements of `src/tasks` move money. They are parts of those statements, so a task and its money change
 * together or not at all.
 *
 * They take the feed's lock before they read or lock a balance. Every other transaction that reduces a balance, or that
 * locks several, takes that lock first as well. So a balance that was read under the lock can only have grown since, and
 * transactions cannot deadlock over balances.
 */

/** Whether a user, or one of its API keys, has a spending limit. @param userId SQL */
export const hasLimits = (userId: string): string =>
  `EXISTS (SELECT FROM spending_limits WHERE spending_limits.user_id = ${userId})`;

/**
 * Decides which offers their users can pay. Needs the CTE `offer (number, user_id, key_id, amount, largest)`: `largest` is the
 * amount of the offer's dearest task, and `key_id` the API key that makes the offer. Adds:
 * - `purse`: what each of these users can spend, as last committed;
 * - `priced (number, user_id, amount, affordable, over_limit, available)`: `available` is what the affordable ones leave over,
 *   and `over_limit` says that a spending limit refuses the offer.
 *
 * Offers of one user are taken smallest first, so an offer is refused only if it does not fit into what is left. Only users
 * with a row in `spending_limits` pay for the look at limits.
 */
export const PRICED = `
  purse AS MATERIALIZED (
    SELECT user_id, coalesce(ledger_purse(user_id), 0) AS available_micro, ${hasLimits('payer.user_id')} AS has_limits
      FROM (SELECT DISTINCT user_id FROM offer) AS payer
  ),
  queued_offer AS (
    SELECT number, user_id, amount, available_micro, sum(amount) OVER (PARTITION BY user_id ORDER BY amount, number) AS so_far
      FROM offer
      JOIN purse USING (user_id)
     WHERE NOT has_limits
  ),
  limited AS MATERIALIZED (
    SELECT verdict.*
      FROM (SELECT user_id, available_micro, json_agg(offer) AS offers
              FROM purse
              JOIN offer USING (user_id)
             WHERE has_limits
             GROUP BY user_id, available_micro) AS payer,
           LATERAL spending_verdicts(user_id, available_micro, offers) AS verdict
  ),
  priced AS MATERIALIZED (
    SELECT number, user_id, amount, so_far <= available_micro AS affordable, false AS over_limit,
           available_micro - coalesce(max(so_far) FILTER (WHERE so_far <= available_micro) OVER (PARTITION BY user_id), 0)
             AS available
      FROM queued_offer
    UNION ALL
    SELECT offer.number, user_id, amount, affordable, over_limit, available
      FROM limited
      JOIN offer ON offer.number::text = limited.number
  )`;

/**
 * Counts what accounts with limits hold and get back. A task counts on the day on which its hold was opened.
 * @param changes a query of `user_id`, `key_id` (which opened the hold), `at` and `amount` (negative: released)
 */
export const countSpending = (changes: string): string => `
  spending AS (
    UPDATE spending_limits
       SET day = change.day,
           spent_micro = greatest(0, CASE WHEN spending_limits.day = change.day THEN spent_micro ELSE 0 END + change.amount)
      FROM (SELECT payer_id, utc_day(max(at)) AS day, sum(amount) AS amount
              FROM (SELECT user_id, key_id, max(at) AS at, sum(amount) AS amount FROM (${changes}) AS one GROUP BY user_id, key_id) AS part,
                   LATERAL spending_payers(user_id, key_id) AS payer_id
             GROUP BY payer_id) AS change
     WHERE spending_limits.payer_id = change.payer_id
  )`;

/** Draws the id of a hold, which its transfer and its task share. */
export const NEW_HOLD_ID = `nextval('ledger_transfers_id_seq')`;

/**
 * Moves the money of tasks that changed their state. Needs the CTE `moved` with one row a task: `id`, `user_id`, `at`,
 * `to_status`, `held_micro` (the whole hold), `hold_id` as it is now, `host_micro` (the cost of host calls), and for a
 * completed task `last_agent_id`, `agent_owner_id`, `owner_micro` and `fee_micro`, else 0.
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
  balance AS (
    UPDATE ledger_balances
       SET available_micro = available_micro + delta.available, held_micro = held_micro + delta.held
      FROM (SELECT user_id,
                   sum(held_micro - owner_micro - fee_micro - host_micro) AS available,
                   sum(-held_micro) AS held
              FROM settled
             WHERE closes
             GROUP BY user_id) AS delta
     WHERE ledger_balances.user_id = delta.user_id
  ),
  ${countSpending(`
    SELECT user_id, hold.key_id, settled.at, owner_micro + fee_micro + host_micro - held_micro AS amount
      FROM settled, LATERAL spending_hold(-hold_id) AS hold
     WHERE closes AND ${hasLimits('settled.user_id')} AND utc_day(hold.at) = utc_day(settled.at)`)}`;
