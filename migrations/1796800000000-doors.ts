import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Webhooks: where users get their events, and what was delivered. */
export class Doors1796800000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE webhooks (
        id uuid CONSTRAINT webhooks_pkey PRIMARY KEY,
        user_id uuid NOT NULL CONSTRAINT webhooks_user_fkey REFERENCES users (id) ON DELETE CASCADE,
        url varchar(2048) NOT NULL,
        description varchar(200),
        -- Empty: all types, and all agents.
        event_types text[] NOT NULL,
        agent_ids uuid[] NOT NULL,
        status varchar(16) NOT NULL DEFAULT 'active',
        disabled_reason varchar(64),
        -- Which key of the configuration the secret is encrypted with; nonce, tag and text of AES-256-GCM.
        key_id varchar(16) NOT NULL,
        sealed bytea NOT NULL,
        -- The secret before the last rotation, which also signs until then.
        previous_key_id varchar(16),
        previous_sealed bytea,
        previous_until timestamptz,
        -- Its deliveries exist for all events of the feed up to here.
        seq bigint NOT NULL,
        -- The feed has events after it.
        behind boolean NOT NULL DEFAULT false,
        -- When there is work for a worker; NULL: none.
        due_at timestamptz,
        -- After failures: no request before.
        throttled_until timestamptz NOT NULL DEFAULT now(),
        -- Failed requests in a row.
        failures integer NOT NULL DEFAULT 0,
        last_success_at timestamptz,
        -- The turn of a worker that serves it, and until when no other may.
        leased_by uuid,
        lease_until timestamptz,
        created_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE INDEX webhooks_user_idx ON webhooks (user_id, id);
      CREATE INDEX webhooks_due_idx ON webhooks (due_at) WHERE status = 'active' AND due_at IS NOT NULL;

      -- One message to one webhook. Its id is the webhook-id of each request.
      CREATE TABLE webhook_deliveries (
        id uuid CONSTRAINT webhook_deliveries_pkey PRIMARY KEY,
        webhook_id uuid NOT NULL CONSTRAINT webhook_deliveries_webhook_fkey REFERENCES webhooks (id) ON DELETE CASCADE,
        -- Its event; NULL for a ping.
        seq bigint,
        type varchar(40) NOT NULL,
        task_id uuid,
        -- Deliveries with the same key go one after the other: the task, else the agent, else the delivery itself.
        order_key uuid NOT NULL,
        state varchar(16) NOT NULL DEFAULT 'pending',
        next_at timestamptz NOT NULL DEFAULT now(),
        -- Requests since it was made or replayed.
        tries integer NOT NULL DEFAULT 0,
        first_tried_at timestamptz,
        -- The last requests.
        attempts jsonb NOT NULL DEFAULT '[]',
        created_at timestamptz NOT NULL DEFAULT now(),
        ended_at timestamptz,
        CONSTRAINT webhook_deliveries_event_key UNIQUE (webhook_id, seq)
      );
      CREATE INDEX webhook_deliveries_list_idx ON webhook_deliveries (webhook_id, id);
      CREATE INDEX webhook_deliveries_pending_idx ON webhook_deliveries (webhook_id, order_key, seq) WHERE state = 'pending';

      -- What is in the feed already wakes no webhook.
      INSERT INTO feed_cursors (projection, seq) SELECT 'webhooks', coalesce(max(seq), 0) FROM task_events;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DELETE FROM feed_cursors WHERE projection = 'webhooks';
      DROP TABLE webhook_deliveries, webhooks;
    `);
  }
}
