import {
  type BackendFactory,
  type ConnectionOptions,
  createIORedisClient,
  createRedisBackend,
  RedisConnection,
  type RedisQueueBackend,
} from 'bullmq';
import { Redis, type RedisOptions } from 'ioredis';
import { outageOf } from '../../../common/outage.js';
import { Refusal } from '../../../common/refusal.js';
import { DependencyFault } from '../../../observability/index.js';
import type { Caution } from '../../open-queue.js';
import { isNotPermitted, OLDEST_REDIS, QueueRedis } from './queue-redis.js';

/** How long the first look may wait for a connection, and then for each answer, ms. */
const LOOK_MS = 3000;
/** How long the key stays that a check writes, ms. */
const CHECK_KEY_MS = 60_000;

/** BullMQ on Redis or Valkey. */
export class RedisQueueServer {
  private client?: Redis;

  constructor(
    private readonly url: string,
    readonly prefix: string,
  ) {}

  /**
   * Checks that BullMQ may do all that it does here.
   * @returns what works and should be mended all the same
   * @throws Refusal when only an operator can help; any other error passes by itself
   */
  async prepare(): Promise<Caution[]> {
    const redis = new QueueLook(this.url);
    try {
      return await this.look(redis);
    } catch (error) {
      // ioredis says only that the connection was closed; what closed it came as an event.
      throw this.explained(redis.lastError ?? (error as Error));
    } finally {
      redis.disconnect();
    }
  }

  /** @throws Error that says why entries cannot be written now */
  async check(): Promise<void> {
    if (!this.client) {
      this.client = new QueueRedis(this.url, { maxRetriesPerRequest: null });
      this.client.on('error', () => undefined); // The queue's own connections report it.
    }
    await this.writeCheckKey(this.client).catch((error: Error) => {
      if (!error.message.startsWith('OOM')) throw error;
      throw new DependencyFault('Redis is full: raise maxmemory, or make room', { cause: error });
    });
  }

  async close(): Promise<void> {
    this.client?.disconnect();
  }

  /** BullMQ's workers wait for Redis to come back for as long as it takes; ioredis reconnects by itself. */
  readonly createBackend: BackendFactory<RedisQueueBackend> = (name, opts, blocking) => {
    RedisConnection.clientFactory = ({ url, ...options }: RedisOptions & { url?: string }) =>
      createIORedisClient(new QueueRedis(url ?? this.url, options));
    const connection = { url: this.url, maxRetriesPerRequest: null } as ConnectionOptions;
    return createRedisBackend(name, { ...opts, connection }, blocking);
  };

  private async look(redis: Redis): Promise<Caution[]> {
    await redis.connect();
    const info = await redis.info().catch((error: Error) => {
      if (isNotPermitted(error)) return undefined;
      throw error;
    });
    if (info !== undefined) this.assertUsable(info);
    await this.assertPermitted(redis);
    await this.writeCheckKey(redis);
    if (info === undefined) return [NO_INFO];
    const policy = fieldOf(info, 'maxmemory_policy');
    return policy === 'noeviction' ? [] : [evicts(policy)];
  }

  private writeCheckKey(redis: Redis): Promise<unknown> {
    return redis.set(`${this.prefix}:check`, '1', 'PX', CHECK_KEY_MS);
  }

  private assertUsable(info: string): void {
    const version = fieldOf(info, 'redis_version') ?? '0';
    const isValkey = fieldOf(info, 'valkey_version') !== undefined;
    if (!isValkey && version.localeCompare(OLDEST_REDIS, 'en', { numeric: true }) < 0) {
      throw new Refusal(`Redis ${version} is too old.`, 'Use Redis 7 or Valkey.');
    }
    if (fieldOf(info, 'redis_mode') === 'cluster') {
      throw new Refusal(
        'REDIS_URL leads to a Redis Cluster, over which one queue cannot be spread.',
        'Use a Redis or Valkey that is no cluster.',
      );
    }
  }

  /** Redis 7 tells a script what its user may do; an older one is asked by the first real command. */
  private async assertPermitted(redis: Redis): Promise<void> {
    const key = `${this.prefix}:tasks:check`;
    const calls = [...COMMANDS.map((name) => [name, key]), ...CHANNEL_COMMANDS.map((name) => [name, this.channel])];
    const refused = (await redis.eval(REFUSED, 1, key, JSON.stringify(calls))) as string[];
    if (refused.length > 0) throw this.tooFewRights(`may not run ${refused.join(', ')}`);
  }

  private get channel(): string {
    return `${this.prefix}:events`;
  }

  private explained(error: Error): Error {
    if (error instanceof Refusal || outageOf(error)) return error;
    if (isNotPermitted(error)) return this.tooFewRights(`is refused a command (${error.message})`);
    if (/^(WRONGPASS|NOAUTH|ERR (invalid password|AUTH|Client sent AUTH))/.test(error.message)) {
      return new Refusal(`Redis refuses the login: ${error.message}.`, 'Correct the user and password in REDIS_URL.', {
        cause: error,
      });
    }
    // Any other reply is about what was asked; everything else is about the way to Redis.
    if (error.name !== 'ReplyError') return error;
    return new Refusal(`Redis refuses what the queue needs: ${error.message}.`, 'Use Redis 7 or Valkey.', {
      cause: error,
    });
  }

  private tooFewRights(what: string): Refusal {
    const user = new URL(this.url).username || 'default';
    return new Refusal(
      `The Redis user ${user} ${what}.`,
      `Grant it: ACL SETUSER ${user} ~${this.prefix}:* &${this.prefix}:* +@all -@admin -@dangerous +info`,
    );
  }
}

/** One connection that gives up at once, and keeps the error that ended it. */
class QueueLook extends Redis {
  lastError?: Error;

  constructor(url: string) {
    super(url, {
      lazyConnect: true,
      enableReadyCheck: false,
      connectTimeout: LOOK_MS,
      commandTimeout: LOOK_MS,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
    });
    this.on('error', (error: Error) => (this.lastError ??= error));
  }
}

const NO_INFO: Caution = {
  found: 'version and maxmemory-policy are not known, since this Redis user may not ask INFO',
  advice: 'Grant it +info.',
};

const evicts = (policy = 'is not known'): Caution => ({
  found: `maxmemory-policy ${policy}`,
  advice: 'Set maxmemory-policy noeviction: any other takes entries out of the queue when memory is full.',
});

const fieldOf = (info: string, name: string): string | undefined => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1];

/** What BullMQ's scripts for our calls use, and the rate limits. */
const COMMANDS =
  'BZPOPMIN DEL EXISTS EXPIRE GET HDEL HEXISTS HGET HGETALL HINCRBY HMGET HMSET HSET INCR INCRBY LINDEX LLEN LPOP LPOS LPUSH LRANGE LREM LTRIM PERSIST PEXPIRE PTTL RENAME RPOP RPOPLPUSH RPUSH SADD SCARD SET SMEMBERS SREM XADD XTRIM ZADD ZCARD ZCOUNT ZPOPMIN ZRANGE ZRANGEBYSCORE ZREM ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYSCORE ZSCORE'.split(
    ' ',
  );
const CHANNEL_COMMANDS = ['PUBLISH', 'SUBSCRIBE'];

/** Answers the names of those calls that the user may not make. */
const REFUSED = `
local refused = {}
if not redis.acl_check_cmd then return refused end
for _, call in ipairs(cjson.decode(ARGV[1])) do
  local key = call[2]
  -- Any argument may be read as a key, so each is one that the user should have.
  local checked, allowed = pcall(redis.acl_check_cmd, call[1], key, key, key, key, key)
  if checked and not allowed then table.insert(refused, call[1]) end
end
return refused`;
