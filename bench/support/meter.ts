import { cpuTime } from './cpu.js';
import { inDatabase } from './postgres.js';
import { inRedis } from './redis.js';
import type { Services } from './services.js';

/** What one task costs the machine. CPU times are ms, absent where there is no `/proc`. */
export interface Cost {
  suite: string;
  backend: string;
  /** Whose task. */
  subject: string;
  /** Statements sent to PostgreSQL, BEGIN and COMMIT included. */
  statements: number;
  /** Transactions: also those that only read, and those in which a listener takes in its notifications. */
  commits: number;
  redisCommands?: number;
  /** Written ahead by PostgreSQL: what its disk, its standbys and its archive have to take, KB. */
  walKb?: number;
  /** Kept in tables and indexes, what was updated and is to be vacuumed included, KB. */
  storedKb?: number;
  nodeCpuMs?: number;
  sandboxCpuMs?: number;
  postgresCpuMs?: number;
  redisCpuMs?: number;
  /** The statements that were sent most often, for the JSON file. */
  topStatements: { statement: string; callsPerTask: number; meanMs: number }[];
}

interface Reading {
  statements: number;
  redisCommands: number;
  walKb: number;
  storedKb: number;
  nodeCpuMs: number;
  sandboxCpuMs: number;
  postgresCpuMs: number;
  redisCpuMs: number;
}

/**
 * Adds up what an installation uses during its own rounds, so that peers can be measured in turns. PostgreSQL's count of
 * commits lags behind and is therefore read over the whole life, once the installation has stopped.
 */
export class Meter {
  private readonly used: Reading = {
    statements: 0,
    redisCommands: 0,
    walKb: 0,
    storedKb: 0,
    nodeCpuMs: 0,
    sandboxCpuMs: 0,
    postgresCpuMs: 0,
    redisCpuMs: 0,
  };
  private tasks = 0;
  private allTasks = 0;

  private constructor(
    private readonly services: Services,
    private readonly databaseUrl: string,
    private readonly pids: number[],
    private readonly hasSandboxes: boolean,
    private readonly commitsBefore: number,
  ) {}

  /** @param pids Node.js processes; with `hasSandboxes` their children count too, apart */
  static async open(services: Services, databaseUrl: string, pids: number[], hasSandboxes: boolean): Promise<Meter> {
    return new Meter(services, databaseUrl, pids, hasSandboxes, await commitsOf(services, databaseUrl));
  }

  /**
   * @param counts false for a warm-up
   * @param work takes tasks through the installation
   * @param tasks how many, where that is known only afterwards
   */
  async measure<T>(counts: boolean, work: () => Promise<T>, tasks: number | ((result: T) => number)): Promise<T> {
    const before = await this.read();
    const result = await work();
    const after = await this.read();
    const done = typeof tasks === 'number' ? tasks : tasks(result);
    this.allTasks += done;
    if (!counts) return result;
    this.tasks += done;
    for (const key of Object.keys(this.used) as (keyof Reading)[]) this.used[key] += after[key] - before[key];
    return result;
  }

  /** After the installation has stopped. */
  async close(labels: Pick<Cost, 'suite' | 'backend' | 'subject'>): Promise<Cost> {
    const commits = (await commitsOf(this.services, this.databaseUrl)) - this.commitsBefore;
    const topStatements = await this.topStatements();
    const perTask = (value: number): number => value / this.tasks;
    const measurable = this.used.postgresCpuMs > 0;
    return {
      ...labels,
      statements: perTask(this.used.statements),
      commits: commits / this.allTasks,
      ...(labels.backend === 'redis' && { redisCommands: perTask(this.used.redisCommands) }),
      walKb: perTask(this.used.walKb),
      storedKb: perTask(this.used.storedKb),
      ...(measurable && {
        nodeCpuMs: perTask(this.used.nodeCpuMs),
        sandboxCpuMs: perTask(this.used.sandboxCpuMs),
        postgresCpuMs: perTask(this.used.postgresCpuMs),
        redisCpuMs: perTask(this.used.redisCpuMs),
      }),
      topStatements,
    };
  }

  private async read(): Promise<Reading> {
    const nodes = this.pids.map(cpuTime);
    const postgres = cpuTime(this.services.postgresPid);
    return {
      nodeCpuMs: nodes.reduce((sum, time) => sum + (time?.ownMs ?? 0), 0),
      sandboxCpuMs: this.hasSandboxes ? nodes.reduce((sum, time) => sum + (time?.descendantsMs ?? 0), 0) : 0,
      postgresCpuMs: (postgres?.ownMs ?? 0) + (postgres?.descendantsMs ?? 0),
      redisCpuMs: cpuTime(this.services.redisPid)?.ownMs ?? 0,
      redisCommands: await inRedis(this.services.redisUrl, async (client) =>
        Number(/total_commands_processed:(\d+)/.exec(await client.info('stats'))?.[1]),
      ),
      ...(await inDatabase(this.services.postgresUrl, async (client) => {
        const { rows } = await client.query<Record<'statements' | 'walBytes' | 'storedBytes', string>>(
          `SELECT coalesce(sum(calls), 0) AS statements, pg_current_wal_lsn() - '0/0' AS "walBytes",
                  pg_database_size($1) AS "storedBytes"
             FROM pg_stat_statements WHERE dbid = ${DATABASE_ID}`,
          [nameOf(this.databaseUrl)],
        );
        const [{ statements, walBytes, storedBytes }] = rows;
        return { statements: Number(statements), walKb: Number(walBytes) / 1024, storedKb: Number(storedBytes) / 1024 };
      })),
    };
  }

  private async topStatements(): Promise<Cost['topStatements']> {
    return inDatabase(this.services.postgresUrl, async (client) => {
      const { rows } = await client.query<{ query: string; calls: string; mean_exec_time: number }>(
        `SELECT query, calls, mean_exec_time FROM pg_stat_statements WHERE dbid = ${DATABASE_ID} ORDER BY calls DESC LIMIT 25`,
        [nameOf(this.databaseUrl)],
      );
      return rows.map((row) => ({
        statement: row.query.replace(/\s+/g, ' ').trim().slice(0, 160),
        callsPerTask: Number(row.calls) / this.allTasks,
        meanMs: row.mean_exec_time,
      }));
    });
  }
}

const DATABASE_ID = '(SELECT oid FROM pg_database WHERE datname = $1)';

const nameOf = (databaseUrl: string): string => new URL(databaseUrl).pathname.slice(1);

const commitsOf = (services: Services, databaseUrl: string): Promise<number> =>
  inDatabase(services.postgresUrl, async (client) => {
    const { rows } = await client.query<{ xact_commit: string }>(
      'SELECT xact_commit FROM pg_stat_database WHERE datname = $1',
      [nameOf(databaseUrl)],
    );
    return Number(rows[0].xact_commit);
  });
