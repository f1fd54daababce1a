import pg from 'pg';

/** Columns that change in the background, or by requests that change nothing else. */
const VOLATILE: Record<string, string[]> = {
  agent_statistics: [
    'tasks_completed',
    'attempts_failed',
    'duration_p80_ms',
    'cpu_p80_ms',
    'memory_p80_bytes',
    'estimate_ratio',
    'last_invited_at',
    'revision',
  ],
  api_keys: ['last_used_at'],
  blobs: ['stored_at'],
  feed_cursors: ['seq'],
};

/** It records refusals too. */
const IGNORED = ['audit_log'];

/** The number of rows and a digest of the content of each table: equal if and only if nothing has changed. */
export async function contentOf(databaseUrl: string): Promise<Record<string, string>> {
  const client = new pg.Client(databaseUrl);
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      `SELECT table_name AS name FROM information_schema.tables
        WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1`,
    );
    const content: Record<string, string> = {};
    for (const { name } of tables.filter((table) => !IGNORED.includes(table.name))) {
      const { rows } = await client.query<{ count: string; digest: string }>(
        `SELECT count(*) AS count, md5(coalesce(string_agg(content, '|' ORDER BY content), '')) AS digest
           FROM (SELECT (to_jsonb(row) - $1::text[])::text AS content FROM ${name} AS row) AS contents`,
        [VOLATILE[name] ?? []],
      );
      const { count, digest } = rows[0];
      content[name] = `${count} rows, ${digest}`;
    }
    return content;
  } finally {
    await client.end();
  }
}

/** Rows of one query. */
export async function ask<Row extends object>(
  databaseUrl: string,
  sql: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client(databaseUrl);
  await client.connect();
  try {
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end();
  }
}
