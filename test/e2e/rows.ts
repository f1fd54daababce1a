import pg from 'pg';

/** Their rows are changed in the background, or by requests that change nothing else; only how many there are is compared. */
const COUNTED_ONLY = ['agent_statistics', 'api_keys', 'blobs', 'feed_cursors'];

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
        `SELECT count(*) AS count, md5(coalesce(string_agg(row::text, '|' ORDER BY row::text), '')) AS digest
           FROM ${name} AS row`,
      );
      const { count, digest } = rows[0];
      content[name] = COUNTED_ONLY.includes(name) ? `${count} rows` : `${count} rows, ${digest}`;
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
