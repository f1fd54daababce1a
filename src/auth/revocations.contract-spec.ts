import { expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { createTestDatabase } from '../../test/support/database.js';
import { until } from '../../test/support/until.js';
import { newId } from '../common/ids.js';
import { parseEnvironment } from '../config/index.js';
import { dataSourceOptions } from '../data-source.js';
import type { EventLog, EventStream } from '../feed/index.js';
import type { Caller } from './caller.js';
import { MARGIN, Revocations } from './revocations.js';

it('what was revoked while the database could not be read is known once it can be, however long ago that was', async () => {
  const database = await createTestDatabase();
  const source = await new DataSource(dataSourceOptions(database.url)).initialize();
  try {
    const { auth, server } = parseEnvironment({ ROLES: 'api' });
    // Changes are read for a second.
    const tokens = { ...auth, jwtSecret: '', accessTokenTtl: 1 - MARGIN };
    const stream = { subscribe: () => () => undefined } as unknown as EventStream;
    const feed = { signal: () => undefined } as unknown as EventLog;
    const revocations = new Revocations(source, stream, feed, tokens, server);
    await revocations.onApplicationBootstrap();
    // From here on it reads when it is told to.
    revocations.onApplicationShutdown();

    const [userId, keyId] = [newId(), newId()];
    await source.query(`INSERT INTO users (id, email, password_hash) VALUES ($1, 'a@b.test', '')`, [userId]);
    await source.query('ALTER TABLE sessions RENAME TO sessions_away');
    await source.query(
      `INSERT INTO api_keys (id, user_id, name, prefix, hash, scopes, revoked_at) VALUES ($1, $2, '', '', '', '{}', now())`,
      [keyId, userId],
    );
    await expect(revocations.tell('api_key.revoked', keyId)).rejects.toThrow('sessions');
    await until('it is more than a second ago', async () => {
      const rows = await source.query<unknown[]>(
        `SELECT FROM api_keys WHERE revoked_at < now() - interval '1.1 seconds'`,
      );
      return rows.length === 1;
    });
    await source.query('ALTER TABLE sessions_away RENAME TO sessions');

    await revocations.tell('api_key.revoked', keyId);
    const caller: Caller = { id: userId, role: 'user', key: { id: keyId, scopes: [] }, expiresAt: Infinity };
    expect(() => revocations.admit(caller)).toThrow(expect.objectContaining({ code: 'API_KEY_INVALID' }));
  } finally {
    await source.destroy();
    await database.drop();
  }
});
