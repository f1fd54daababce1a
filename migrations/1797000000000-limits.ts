import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Spending limits of accounts and API keys. */
export class Limits1797000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      -- One row for each account or key that has had a limit. Others have none, and cost nothing to check.
      CREATE TABLE spending_limits (
        -- The key, or the account itself.
        payer_id uuid CONSTRAINT spending_limits_pkey PRIMARY KEY,
        user_id uuid NOT NULL CONSTRAINT spending_limits_user_fkey REFERENCES users (id) ON DELETE CASCADE,
        key_id uuid CONSTRAINT spending_limits_key_fkey REFERENCES api_keys (id) ON DELETE CASCADE,
        -- NULL: no limit.
        task_micro bigint,
        day_micro bigint,
        -- The day, UTC, that spent_micro is about.
        day date NOT NULL DEFAULT '-infinity',
        -- What tasks submitted on that day hold or have cost.
        spent_micro bigint NOT NULL DEFAULT 0,
        -- spent_micro contains what was spent on the day before the row existed.
        counted boolean NOT NULL DEFAULT false,
        CONSTRAINT spending_limits_payer_check CHECK (payer_id = coalesce(key_id, user_id))
      ) WITH (fillfactor = 50);
      CREATE INDEX spending_limits_user_idx ON spending_limits (user_id);
      CREATE INDEX spending_limits_key_idx ON spending_limits (key_id) WHERE key_id IS NOT NULL;
    `);
    // Volatile, so that they see what was committed while their caller waited for the feed's lock.
    await runner.query(`
      CREATE FUNCTION utc_day(moment timestamptz) RETURNS date LANGUAGE sql IMMUTABLE
        AS $$ SELECT (moment AT TIME ZONE 'UTC')::date $$;

      -- Whose limits a task counts against: its account, the key that submitted it, and the keys that this key was made with.
      CREATE FUNCTION spending_payers(owner uuid, key uuid) RETURNS SETOF uuid LANGUAGE sql VOLATILE AS $$
        WITH RECURSIVE chain AS (
          SELECT id, made_with_id FROM api_keys WHERE id = key AND user_id = owner
           UNION
          SELECT maker.id, maker.made_with_id
            FROM chain JOIN api_keys maker ON maker.id = chain.made_with_id AND maker.user_id = owner
        )
        SELECT owner UNION ALL SELECT id FROM chain
      $$;

      -- The key that opened a hold, and when. A sub-task counts with the task at the top, whose hold has lent to it.
      CREATE FUNCTION spending_hold(hold bigint, OUT key_id uuid, OUT at timestamptz) LANGUAGE sql VOLATILE AS $$
        WITH RECURSIVE chain AS (
          SELECT 0 AS depth, task_id, key_id, at FROM ledger_transfers WHERE id = hold
           UNION ALL
          SELECT depth + 1, lender.task_id, lender.key_id, lender.at
            FROM chain
            JOIN ledger_transfers lend ON lend.task_id = chain.task_id AND lend.kind = 'lend'
            JOIN ledger_transfers lender ON lender.id = lend.hold_id
        )
        SELECT key_id, at FROM chain ORDER BY depth DESC LIMIT 1
      $$;

      -- What an account's tasks of today hold or have cost; with a key only those of the key and of keys made with it.
      CREATE FUNCTION spending_today(owner uuid, key uuid) RETURNS bigint LANGUAGE sql VOLATILE AS $$
        WITH RECURSIVE before AS (
          SELECT coalesce((SELECT id FROM ledger_transfers
                            WHERE debit_user = owner AND utc_day(at) < utc_day(clock_timestamp())
                            ORDER BY id DESC LIMIT 1), 0) AS id
        ),
        family AS (
          SELECT id FROM api_keys WHERE id = key AND user_id = owner
           UNION
          SELECT made.id FROM family JOIN api_keys made ON made.user_id = owner AND made.made_with_id = family.id
        ),
        moved AS MATERIALIZED (
          SELECT kind, hold_id, task_id, amount_micro, key_id FROM ledger_transfers
           WHERE debit_user = owner AND id > (SELECT id FROM before) AND kind IN ('hold', 'lend', 'release')
        ),
        opened AS (
          SELECT hold_id, amount_micro FROM moved
           WHERE kind = 'hold' AND (key IS NULL OR key_id IN (SELECT id FROM family))
             AND task_id NOT IN (SELECT task_id FROM moved WHERE kind = 'lend')
        ),
        -- With the holds of sub-tasks.
        tree AS (
          SELECT hold_id FROM opened
           UNION
          SELECT child.hold_id
            FROM tree
            JOIN moved lend ON lend.kind = 'lend' AND lend.hold_id = tree.hold_id
            JOIN moved child ON child.kind = 'hold' AND child.task_id = lend.task_id
        )
        SELECT (coalesce((SELECT sum(amount_micro) FROM opened), 0)
              - coalesce((SELECT sum(moved.amount_micro) FROM moved JOIN tree USING (hold_id) WHERE kind = 'release'), 0))::bigint
      $$;

      -- Decides on the offers of an account that has limits, smallest first. offers: [{number, key_id, amount, largest}].
      CREATE FUNCTION spending_verdicts(owner uuid, purse bigint, offers json)
        RETURNS TABLE (number text, affordable boolean, over_limit boolean, available bigint) LANGUAGE plpgsql VOLATILE AS $$
      DECLARE
        today date := utc_day(clock_timestamp());
        -- What the offers that were accepted so far take, by payer.
        taken jsonb := '{}';
        payers uuid[];
        offer record;
      BEGIN
        available := purse;
        FOR offer IN
          SELECT o.number, o.key_id, o.amount, o.largest
            FROM json_to_recordset(offers) AS o(number text, key_id uuid, amount bigint, largest bigint)
           ORDER BY o.amount, o.number
        LOOP
          number := offer.number;
          payers := ARRAY(SELECT spending_payers(owner, offer.key_id));
          over_limit := EXISTS (
            SELECT FROM spending_limits bound
             WHERE bound.payer_id = ANY (payers)
               AND (offer.largest > bound.task_micro
                 OR offer.amount + coalesce((taken ->> bound.payer_id::text)::bigint, 0)
                    + CASE WHEN bound.day = today THEN bound.spent_micro ELSE 0 END > bound.day_micro)
          );
          affordable := NOT over_limit AND offer.amount <= available;
          IF affordable THEN
            available := available - offer.amount;
            SELECT taken || jsonb_object_agg(payer, coalesce((taken ->> payer::text)::bigint, 0) + offer.amount)
              INTO taken FROM unnest(payers) AS payer;
          END IF;
          RETURN NEXT;
        END LOOP;
      END $$;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP FUNCTION spending_verdicts(uuid, bigint, json), spending_today(uuid, uuid), spending_hold(bigint),
        spending_payers(uuid, uuid), utc_day(timestamptz);
      DROP TABLE spending_limits;
    `);
  }
}
