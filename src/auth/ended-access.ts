import type { DataSource } from 'typeorm';

/** Deletes up to a limit of logins or keys that ended long enough ago. @returns how many */
export async function deleteEnded(
  database: DataSource,
  table: 'sessions' | 'api_keys',
  ageMs: number,
  limit: number,
): Promise<number> {
  const [, count] = await database.query<[unknown, number]>(
    `DELETE FROM ${table}
      WHERE id IN (SELECT id FROM ${table} WHERE least(expires_at, revoked_at) < now() - $1 * interval '1 millisecond' LIMIT $2)`,
    [ageMs, limit],
  );
  return count;
}
