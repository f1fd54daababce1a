import type pg from 'pg';

/**
 * Registers agents. Agent n offers `c10` if it is one of the first ten, and so on, and tags that many others offer too.
 * Takes the id of their owner, who is new, how many, and how many capabilities each has.
 */
export const REGISTER = `
  WITH owner AS (INSERT INTO users (id, email, password_hash) VALUES ($1, 'owner@example.test', '') RETURNING id),
  agent AS (
    INSERT INTO agents (id, owner_id, slug, name, capabilities, price_micro, active_binary_id)
    SELECT gen_random_uuid(), owner.id, 'agent-' || n, 'Agent ' || n,
           (array_remove(ARRAY[CASE WHEN n <= 10 THEN 'c10' END, CASE WHEN n <= 100 THEN 'c100' END,
                               CASE WHEN n <= 1000 THEN 'c1000' END, CASE WHEN n <= 10000 THEN 'c10000' END], NULL)
            || ARRAY(SELECT 'tag-' || (n * k) % 997 FROM generate_series(1, $3::int) k))[1:$3::int],
           100000 + n % 5000, gen_random_uuid()
      FROM owner, generate_series(1, $2::int) n
    RETURNING id, owner_id, active_binary_id
  ),
  statistics AS (
    INSERT INTO agent_statistics (agent_id, tasks_completed, duration_p80_ms, rating_sum, rating_count)
    SELECT id, (random() * 1000)::int, 1 + random() * 1000, (random() * 25)::int + 20, 10 FROM agent
  ),
  blob AS (INSERT INTO blobs (ref) VALUES ('local:' || repeat('0', 64)) RETURNING ref)
  INSERT INTO agent_binaries (id, agent_id, version, sha256, size, storage_ref, validation, scan, uploaded_by)
  SELECT active_binary_id, agent.id, '1.0.0', repeat('0', 64), 8, blob.ref, '{}', '{"status":"clean"}', owner_id FROM agent, blob`;

/**
 * Finished tasks with attempts, auctions and events: copies of the one completed task there is, a second apart, so that
 * every row is as large as a real one. The numbers of their events follow those of all others.
 */
export async function copyFinishedTask(client: pg.Client, count: number): Promise<void> {
  await client.query('CREATE TEMPORARY TABLE copies (n int, id uuid)');
  await client.query(NEW_IDS, [count]);
  for (const statement of [COPY_TASKS, COPY_ATTEMPTS, COPY_AUCTIONS, COPY_EVENTS]) await client.query(statement);
  await client.query('DROP TABLE copies');
  await client.query('ANALYZE');
}

/** UUIDv7 of past moments. */
const NEW_IDS = `
  INSERT INTO copies
  SELECT n, (lpad(to_hex(floor(extract(epoch FROM now()) * 1000)::bigint - n * 1000), 12, '0')
             || '7' || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid
    FROM generate_series(1, $1::int) n`;

const TEMPLATE = `(SELECT id FROM tasks WHERE status = 'completed' ORDER BY id DESC LIMIT 1)`;

const copyOf = (table: string, key: string): string => `
  INSERT INTO ${table}
  SELECT copied.*
    FROM (SELECT * FROM ${table} WHERE ${key} = ${TEMPLATE}) original
   CROSS JOIN copies
   CROSS JOIN LATERAL jsonb_populate_record(
     NULL::${table}, to_jsonb(original) || jsonb_build_object('${key}', copies.id)) copied`;

const COPY_TASKS = copyOf('tasks', 'id');
const COPY_ATTEMPTS = copyOf('task_attempts', 'task_id');
const COPY_AUCTIONS = copyOf('auctions', 'task_id');
const COPY_EVENTS = `
  INSERT INTO task_events (task_id, user_id, agent_owner_id, agent_id, type, data)
  SELECT copies.id, original.user_id, original.agent_owner_id, original.agent_id, original.type, original.data
    FROM copies CROSS JOIN (SELECT * FROM task_events WHERE task_id = ${TEMPLATE} ORDER BY seq) original`;
