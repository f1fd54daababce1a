import { randomBytes } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { ADMIN, expectStatus, loginAdmin, registerUser, uploadAgent } from '../../test/support/client.js';
import { wat } from '../../test/support/wat.js';
import type { Bench } from '../bench.js';
import { request } from './load.js';
import { Meter } from './meter.js';
import { type Process, startServer } from './servers.js';
import type { Backend } from './services.js';

/** A ZeroState of its own, with a user and agents that answer `{}`. */
export interface Installation {
  url: string;
  /** Of a user. */
  token: string;
  adminToken: string;
  databaseUrl: string;
  /** `POST /tasks`, ready to be sent. */
  submission: string;
  meter: Meter;
  /** Of its processes, in their order. */
  pids: number[];
  /** Set when the queue is on Redis. */
  redisUrl?: string;
  /** Starts one more process of it. */
  add(roles: string): Promise<Process>;
  /** Resident memory of the first process after a collection, bytes. */
  memory(): Promise<number>;
  /** Heap and what belongs to it of the first process after a collection, bytes. */
  heap(): Promise<number>;
  stop(): Promise<void>;
}

export interface InstallationOptions {
  backend: Backend;
  /** Roles of each process; one of them has the API. */
  processes: readonly string[];
  env?: Record<string, string>;
  /** Agents ask nothing and tasks offer nothing. */
  isFree?: boolean;
}

/** No task is held back for its user having many: the peers know no users. */
export const UNBOUNDED = {
  QUEUE_MAX_SIZE: '1000000',
  QUEUE_USER_WINDOW: '1000000',
  MAX_RUNNING_PER_USER: '1000000',
  MAX_WAITING_PER_USER: '1000000',
};
const SANDBOX_SLOTS = 2;
/** As many as an auction needs to be competitive. */
const AGENTS = { 'echo-a': '0.50', 'echo-b': '0.40', 'echo-c': '0.30' };
const CAPABILITY = 'echo';
export const TASK = {
  required_capabilities: [CAPABILITY],
  budget: 1,
  input: { text: 'Twenty words of input would do.' },
};

export async function startInstallation(bench: Bench, options: InstallationOptions): Promise<Installation> {
  const { services } = bench;
  const databaseUrl = await services.createDatabase();
  const redisUrl = options.backend === 'redis' ? services.createRedisDatabase() : undefined;
  const env = {
    NODE_ENV: 'production',
    LOG_LEVEL: 'warn',
    PORT: '0',
    DATA_DIR: await mkdtemp(join(services.folder, 'data-')),
    DATABASE_URL: databaseUrl,
    JWT_SECRET: randomBytes(32).toString('hex'),
    ADMIN_EMAIL: ADMIN.email,
    ADMIN_PASSWORD: ADMIN.password,
    SANDBOX_SLOTS: String(SANDBOX_SLOTS),
    RATE_LIMIT_ENABLED: 'false',
    YOUNG_ACCOUNT_HOURS: '0',
    SIGNUP_CREDITS: '100000000',
    ACCESS_TOKEN_TTL: '86400',
    ...(redisUrl && { REDIS_URL: redisUrl }),
    ...options.env,
  };
  const processes: Process[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(processes.map((process) => process.stop()));
  };
  bench.onEnd(stop);
  for (const ROLES of options.processes) processes.push(await startServer({ ...env, ROLES }, bench.profileDir));
  const { url } = processes.find((process) => process.url !== '')!;
  const { token } = await registerUser(url);
  await uploadAgents(url, token, options.isFree);
  const pids = processes.map(({ pid }) => pid);
  return {
    url,
    token,
    adminToken: await loginAdmin(url),
    databaseUrl,
    submission: request('POST', url, '/api/v1/tasks', token, options.isFree ? { ...TASK, budget: 0 } : TASK),
    meter: await Meter.open(services, databaseUrl, pids, true),
    pids,
    redisUrl,
    add: async (ROLES) => {
      processes.push(await startServer({ ...env, ROLES }, bench.profileDir));
      return processes.at(-1)!;
    },
    memory: () => processes[0].ask<number>({ type: 'memory' }),
    heap: () => processes[0].ask<number>({ type: 'heap' }),
    stop,
  };
}

async function uploadAgents(url: string, token: string, isFree = false): Promise<void> {
  const wasm = await wat(ANSWERS_EMPTY_OBJECT);
  for (const [slug, price] of Object.entries(AGENTS)) {
    expectStatus(
      await uploadAgent(url, token, slug, wasm, { capabilities: [CAPABILITY], price: isFree ? '0' : price }),
      201,
    );
  }
}

/** The least an agent can do: one write of `{}`. */
export const ANSWERS_EMPTY_OBJECT = `
  (module
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\\08\\00\\00\\00\\02\\00\\00\\00{}")
    (func (export "_start")
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))`;
