import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { RedisQueueServer } from '../../src/queue/drivers/redis/queue-server.js';
import { api, expectStatus, loginAdmin, registerUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type RedisServer, startRedis } from '../support/redis-server.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { good, publish, submit } from './agents.js';

/** The first look at a queue, as a start and the doctor take it. @returns cautions, or the error's name and message */
const lookAtRedis = (url: string): Promise<unknown> =>
  new RedisQueueServer(url, 'z').prepare().catch((error: Error) => `${error.name}: ${error.message}`);

const withUser = (url: string, user: string): string => url.replace('redis://', `redis://${user}:pw@`);

describe('the first look at a queue on Redis', () => {
  let redis: RedisServer;
  let admin: Redis;

  beforeAll(async () => {
    redis = await startRedis({ 'maxmemory-policy': 'allkeys-lru' });
    admin = new Redis(redis.url);
  });

  afterAll(async () => {
    admin.disconnect();
    await redis.stop();
  });

  const grant = (user: string, ...rights: string[]) =>
    admin.call('ACL', 'SETUSER', user, 'reset', 'on', '>pw', '~z:*', '&z:*', ...rights);

  it('is content with the rights that its own advice names, and cautions of an eviction policy', async () => {
    await grant('advised', '+@all', '-@admin', '-@dangerous', '+info');
    expect(await lookAtRedis(withUser(redis.url, 'advised'))).toEqual([
      { found: 'maxmemory-policy allkeys-lru', advice: expect.stringContaining('noeviction') },
    ]);
  });

  it('needs no INFO, and says what it does not know without', async () => {
    await grant('quiet', '+@all', '-@dangerous');
    expect(await lookAtRedis(withUser(redis.url, 'quiet'))).toEqual([
      { found: expect.stringContaining('may not ask INFO'), advice: 'Grant it +info.' },
    ]);
  });

  it.each([
    [
      'commands',
      ['+@all', '-zadd', '-bzpopmin'],
      'Refusal: The Redis user poor may not run BZPOPMIN, ZADD. Grant it: ACL',
    ],
    ['scripts', ['+@all', '-@scripting'], 'Refusal: The Redis user poor is refused a command'],
    ['its channel', ['+@all', 'resetchannels'], 'Refusal: The Redis user poor may not run PUBLISH, SUBSCRIBE'],
    ['its keys', ['+@all', 'resetkeys', '~other:*'], 'Refusal: The Redis user poor is refused a command'],
  ])('refuses a user who lacks %s, and says what to grant', async (_, rights, refusal) => {
    await grant('poor', ...rights);
    expect(await lookAtRedis(withUser(redis.url, 'poor'))).toMatch(refusal);
  });

  it('refuses a wrong password, and an old Redis', async () => {
    const wrong = redis.url.replace('redis://', 'redis://default:wrong@');
    await admin.config('SET', 'requirepass', 'right');
    expect(await lookAtRedis(wrong)).toMatch('Refusal: Redis refuses the login: WRONGPASS');
    await admin.config('SET', 'requirepass', '');

    const info = 'redis_version:5.0.14\r\n';
    const old = createServer((socket) => {
      socket.on('error', () => undefined);
      // One answer for each command of a packet.
      socket.on('data', (chunk) => {
        for (const _ of chunk.toString().matchAll(/^\*\d+\r$/gm)) socket.write(`$${info.length}\r\n${info}\r\n`);
      });
    }).listen(0, '127.0.0.1');
    await once(old, 'listening');
    const url = `redis://127.0.0.1:${(old.address() as AddressInfo).port}`;
    expect(await lookAtRedis(url)).toBe('Refusal: Redis 5.0.14 is too old. Use Redis 7 or Valkey.');
    old.close();
  });

  it('does not refuse a Redis that is away', async () => {
    expect(await lookAtRedis('redis://127.0.0.1:1')).toMatch(/^Error: .*ECONNREFUSED/);
  });
});

describe('a server whose queue refuses it', () => {
  let database: TestDatabase;
  let redis: RedisServer;
  let admin: Redis;
  let server: ServerProcess;
  let token: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    redis = await startRedis({ 'maxmemory-policy': 'allkeys-lru' });
    admin = new Redis(redis.url);
    await admin.call('ACL', 'SETUSER', 'svc', 'on', '>pw', '~z:*', '&z:*', '+@all');
    const env = {
      DATABASE_URL: database.url,
      REDIS_URL: withUser(redis.url, 'svc'),
      QUEUE_PREFIX: 'z',
      SWEEP_INTERVAL_MS: '500',
    };
    server = await startServer({ env });
    token = (await registerUser(server.url)).token;
    await publish(server.url, token, 'good', await good(), { capabilities: ['good'] });
  }, 60_000);

  afterAll(async () => {
    await server?.stop();
    admin?.disconnect();
    await redis?.stop();
    await database?.drop();
  });

  const queue = async () => {
    const response = await fetch(`${server.url}/health/ready`);
    const { required, reason } = ((await response.json()) as any).dependencies.queue;
    return { status: response.status, required, reason };
  };

  it('warns at its start of an eviction policy of Redis', () => {
    expect(server.stdout()).toMatch(/maxmemory-policy allkeys-lru.*Set maxmemory-policy noeviction/);
  });

  it('is not ready while Redis refuses it, lives on, and recovers when it is granted again', async () => {
    await admin.call('ACL', 'SETUSER', 'svc', '-@scripting', '-info');
    // The worker's blocked fetch ends with its connections.
    await admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    const id = await submit(server.url, token, 'good');
    const refused = await until('it is noticed', async () => {
      const answer = await queue();
      return answer.status === 503 && ['NOPERM', 'refused'].includes(answer.reason) && answer;
    });
    expect(refused.required).toBe(true);
    // Operators read the service's own text in the log; strangers must not learn the names of users.
    expect(server.stdout()).toMatch(/queue is down: .*(NOPERM|may not run)/);
    expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
    await admin.call('ACL', 'SETUSER', 'svc', '+@all');
    await waitForTask(server.url, token, id, 'completed', 40_000);
    await until('it is ready', async () => (await queue()).status === 200);
  }, 90_000);

  it('is not ready while Redis is full, and says so', async () => {
    await admin.config('SET', 'maxmemory-policy', 'noeviction');
    await admin.config('SET', 'maxmemory', '1');
    const full = await until('it is noticed', async () => {
      const answer = await queue();
      return answer.status === 503 && answer;
    });
    expect(full.reason).toBe('Redis is full: raise maxmemory, or make room');
    await admin.config('SET', 'maxmemory', '0');
    await until('it is ready', async () => (await queue()).status === 200);
  }, 60_000);

  it('loses no task when Redis evicts a part of its entry', async () => {
    const adminToken = await loginAdmin(server.url);
    expectStatus(await api(server.url).post('/queue/pause', {}, { token: adminToken }), 200);
    const ids = [
      await submit(server.url, token, 'good'),
      await submit(server.url, token, 'good', { priority: 'critical' }),
      await submit(server.url, token, 'good', { run_at: new Date(Date.now() + 2000).toISOString() }),
      await submit(server.url, token, 'good'),
    ];
    const entry = (id: string) => admin.exists(`z:tasks:${id}`);
    const due = [ids[0], ids[1], ids[3]];
    await until('those that may begin are in the queue', async () =>
      (await Promise.all(due.map(entry))).every(Boolean),
    );
    // Lists and the entry of one task.
    await admin.del('z:tasks:prioritized', 'z:tasks:wait', 'z:tasks:paused', 'z:tasks:delayed', `z:tasks:${ids[3]}`);
    expectStatus(await api(server.url).post('/queue/resume', {}, { token: adminToken }), 200);
    await Promise.all(ids.map((id) => waitForTask(server.url, token, id, 'completed', 40_000)));
  }, 90_000);
});
