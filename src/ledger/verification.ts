/** One disagreement between the ledger's transfers and what they must equal. */
export interface LedgerFinding {
  /** What kind, as a sentence. */
  rule: string;
  /** The user or task it is about. */
  subject: string;
  /** Both figures, micro-credits. */
  detail: string;
}

/** The result of a whole verification. */
export interface LedgerReport {
  /** How many transfers were read. */
  transfers: number;
  /** How many findings there are. */
  count: number;
  /** The first of each rule, at most `MOST_SHOWN` of them. */
  findings: LedgerFinding[];
}

const MOST_SHOWN = 20;

type Query = <Row>(text: string) => Promise<Row[]>;

/**
 * Rebuilds all balances and holds from the transfers and compares. It is one statement, so it sees one moment of a system at
 * work. It reads all transfers.
 */
export async function verifyLedger(query: Query): Promise<LedgerReport> {
  const [row] = await query<{ transfers: string; findings: LedgerFinding[]; count: string }>(VERIFY);
  return { transfers: Number(row.transfers), count: Number(row.count), findings: row.findings };
}

const VERIFY = `
  WITH side AS (
    SELECT credit_user AS user_id, credit_account AS account, amount_micro AS amount FROM ledger_transfers
    UNION ALL
    SELECT debit_user, debit_account, -amount_micro FROM ledger_transfers
  ),
  rebuilt AS (
    SELECT user_id,
           coalesce(sum(amount) FILTER (WHERE account = 'available'), 0) AS available,
           coalesce(sum(amount) FILTER (WHERE account = 'held'), 0) AS held
      FROM side
     WHERE user_id IS NOT NULL
     GROUP BY user_id
  ),
  -- Earnings that are no part of a balance's row: not folded yet, or disputed.
  pending AS (
    SELECT b.user_id, sum(amount_micro) AS amount
      FROM ledger_transfers t
      JOIN ledger_balances b ON b.user_id = t.credit_user
      LEFT JOIN ledger_disputes d ON d.post_id = t.id
     WHERE t.kind = 'post' AND (d.status = 'open' OR (t.id > b.folded_id AND d.status IS DISTINCT FROM 'upheld'))
     GROUP BY b.user_id
  ),
  balance AS (
    SELECT coalesce(b.user_id, rebuilt.user_id) AS user_id,
           coalesce(available_micro, 0) AS available, coalesce(rebuilt.available, 0) - coalesce(pending.amount, 0) AS own_available,
           coalesce(held_micro, 0) AS held, coalesce(rebuilt.held, 0) AS own_held
      FROM ledger_balances b
      FULL JOIN rebuilt ON rebuilt.user_id = b.user_id
      LEFT JOIN pending ON pending.user_id = b.user_id
  ),
  -- A transfer that lends names the sub-task, and the hold of the parent.
  lent AS (
    SELECT hold_id, sum(amount_micro) AS lent FROM ledger_transfers WHERE kind = 'lend' GROUP BY hold_id
  ),
  opened AS (
    SELECT hold_id, task_id,
           sum(amount_micro) FILTER (WHERE kind = 'hold') AS opened,
           sum(amount_micro) FILTER (WHERE kind IN ('post', 'fee', 'host_calls', 'release')) AS closed,
           coalesce(sum(amount_micro) FILTER (WHERE kind = 'host_calls'), 0) AS for_calls,
           coalesce(sum(amount_micro) FILTER (WHERE kind IN ('post', 'fee')), 0) AS paid
      FROM ledger_transfers
     WHERE kind IN ('hold', 'post', 'fee', 'host_calls', 'release')
     GROUP BY hold_id, task_id
  ),
  hold AS (
    SELECT opened.*, coalesce(lent, 0) AS lent,
           -- All of it was lent, so nothing was left to close it with.
           closed IS NULL AND lent.lent = opened AS spent
      FROM opened LEFT JOIN lent USING (hold_id)
  ),
  task_hold AS (
    SELECT hold.*, tasks.hold_id AS own_hold_id, cost_micro, least(host_cost_micro, max_host_cost_micro) AS host_cost_micro, tasks.id IS NULL AS gone, status,
           status IN ('completed', 'failed', 'cancelled') AS ended
      FROM hold
      LEFT JOIN tasks ON tasks.id = task_id
  ),
  finding AS (
    SELECT 'an available balance differs from the sum of its transfers' AS rule, user_id::text AS subject,
           format('balance %s, transfers %s', available, own_available) AS detail
      FROM balance WHERE available <> own_available
    UNION ALL
    SELECT 'a held balance differs from the sum of its transfers', user_id::text,
           format('balance %s, transfers %s', held, own_held)
      FROM balance WHERE held <> own_held
    UNION ALL
    SELECT 'a hold is open although its task has ended', task_id::text, format('hold %s of %s, %s', hold_id, opened, status)
      FROM task_hold WHERE closed IS NULL AND NOT coalesce(spent, false) AND ended
    UNION ALL
    SELECT 'a hold is open although its task is gone', task_id::text, format('hold %s of %s', hold_id, opened)
      FROM task_hold WHERE closed IS NULL AND NOT coalesce(spent, false) AND gone
    UNION ALL
    SELECT 'an open hold is not the one that its task names', task_id::text,
           format('hold %s, task names %s', hold_id, own_hold_id)
      FROM task_hold WHERE closed IS NULL AND NOT coalesce(spent, false) AND NOT gone AND own_hold_id IS DISTINCT FROM hold_id
    UNION ALL
    SELECT 'a task names an open hold that is closed or missing', tasks.id::text, format('hold %s', tasks.hold_id)
      FROM tasks LEFT JOIN hold ON hold.hold_id = tasks.hold_id AND closed IS NULL
     WHERE tasks.hold_id > 0 AND hold.hold_id IS NULL
    UNION ALL
    SELECT 'a closed hold does not add up', task_id::text, format('hold %s of %s, closed %s, lent %s', hold_id, opened, closed, lent)
      FROM task_hold WHERE (closed IS NOT NULL AND closed + lent IS DISTINCT FROM opened) OR lent > opened
    UNION ALL
    SELECT 'a completed task was paid another amount than its cost', task_id::text,
           format('cost %s, paid %s', cost_micro, paid)
      FROM task_hold WHERE own_hold_id = -hold_id AND status = 'completed' AND paid <> cost_micro
    UNION ALL
    SELECT 'host calls were paid another amount than they cost', task_id::text,
           format('cost %s, paid %s', host_cost_micro, for_calls)
      FROM task_hold WHERE own_hold_id = -hold_id AND ended AND for_calls <> host_cost_micro
    UNION ALL
    SELECT 'an unsuccessful task was paid', task_id::text, format('%s, paid %s', status, paid)
      FROM task_hold WHERE own_hold_id = -hold_id AND status IN ('failed', 'cancelled') AND paid <> 0
    UNION ALL
    SELECT 'the sum over all accounts is not zero', 'all accounts', format('sum %s', total)
      FROM (SELECT (SELECT coalesce(sum(available + held), 0) FROM balance) + (SELECT coalesce(sum(amount), 0) FROM pending)
                 + (SELECT coalesce(sum(amount), 0) FROM side WHERE user_id IS NULL) AS total) AS everything
     WHERE total <> 0
  )
  SELECT (SELECT count(*) FROM ledger_transfers) AS transfers,
         (SELECT count(*) FROM finding) AS count,
         (SELECT coalesce(json_agg(shown), '[]') FROM (
            SELECT rule, subject, detail
              FROM (SELECT *, row_number() OVER (PARTITION BY rule ORDER BY subject) AS place FROM finding) AS numbered
             ORDER BY place, rule
             LIMIT ${MOST_SHOWN}) AS shown) AS findings`;
