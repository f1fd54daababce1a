import { access, constants, mkdir, statfs } from 'node:fs/promises';
import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Refusal } from '../common/refusal.js';
import { ConfigurationModule, type Environment, type Installation, parseEnvironment } from '../config/index.js';
import { type SchemaState, schemaState } from '../data-source.js';
import { DatabaseClient, isReadOnly, openDatabase, WRITES_ADVICE } from '../database/index.js';
import { ExecutionModule, SandboxService } from '../execution/index.js';
import { checkCollector, Health, ObservabilityModule } from '../observability/index.js';
import { type Caution, prepareQueue, QueueModule } from '../queue/index.js';
import { BlobStores, Staging, StorageModule } from '../storage/index.js';
import { ValidationModule, WasmValidator } from '../validation/index.js';
import { type Finding, reason } from './finding.js';
import { unsigned } from './installation.js';
import { validatorWalls, walls } from './walls.js';
import { bucket, notConfigured, STORE_ADVICE, storedIn } from './stores.js';

/** With less, uploads and the embedded database soon fail, bytes. */
const LITTLE_SPACE = 1024 ** 3;
/** How long a dependency may take to answer, ms: the first check also loads its client and opens connections. */
const ANSWERED_WITHIN_MS = 5000;
/** A larger difference between clocks makes tasks late and links expire early, ms. */
const CLOCK_TOLERANCE_MS = 2000;

/**
 * Checks the configuration and every dependency, and says how to fix each fault. It leaves nothing behind: an embedded
 * database that is stopped is started temporarily, and a test object in a bucket is deleted.
 * @returns whether a server would start and serve
 */
export async function diagnose(source: NodeJS.ProcessEnv, print: (line: string) => void): Promise<boolean> {
  let healthy = true;
  const report = (...findings: Finding[]): void => {
    for (const finding of findings) {
      healthy &&= finding.mark !== '✗';
      print(`${finding.mark} ${finding.what.padEnd(16)} ${finding.found}`);
      if (finding.advice) print(`${' '.repeat(19)}→ ${finding.advice}`);
    }
  };
  const environment = configuration(source, report);
  if (!environment) return false;
  if (environment.server.roles.includes('validator')) {
    report(await validatorWalls(environment));
    return healthy;
  }
  report(await dataFolder(environment));
  if (environment.tracing.protocol) report(await collector(environment));
  const opened = await openDatabase(environment, () => undefined).catch((error: unknown) => error as Error);
  if (opened instanceof Error) {
    report(databaseAway(environment, opened));
    report(...(await dependencies(environment)));
    return healthy;
  }
  try {
    const findings = await database(opened.url).catch((error: unknown) => [databaseAway(environment, error)]);
    report(...findings);
    const serves = findings.every(({ mark }) => mark !== '✗');
    report(...(await dependencies(environment, serves ? opened.url : undefined)));
  } finally {
    await opened.stop();
  }
  return healthy;
}

function configuration(source: NodeJS.ProcessEnv, report: (finding: Finding) => void): Environment | null {
  try {
    const environment = parseEnvironment(source);
    const { server, queue, storage } = environment;
    const found = `roles ${server.roles.join(', ')}; queue on ${queue.redisUrl ? 'Redis' : 'PostgreSQL'}; storage ${storage.driver}`;
    report({ mark: '✓', what: 'configuration', found });
    return environment;
  } catch (error) {
    report({
      mark: '✗',
      what: 'configuration',
      found: (error as Error).message,
      advice: '.env.example explains each.',
    });
    return null;
  }
}

async function dataFolder({ server: { dataDir } }: Environment): Promise<Finding> {
  const what = 'data folder';
  try {
    await mkdir(dataDir, { recursive: true });
    await access(dataDir, constants.W_OK | constants.X_OK);
    const { bavail, bsize } = await statfs(dataDir);
    const free = bavail * bsize;
    const found = `${dataDir}, ${(free / 1024 ** 3).toFixed(1)} GiB free`;
    return free < LITTLE_SPACE
      ? { mark: '!', what, found, advice: 'Make room, or move DATA_DIR.' }
      : { mark: '✓', what, found };
  } catch (error) {
    return {
      mark: '✗',
      what,
      found: `${dataDir}: ${reason(error)}`,
      advice: 'Let this user write there, or set DATA_DIR.',
    };
  }
}

/** Tracing is optional for a server. */
async function collector({ tracing }: Environment): Promise<Finding> {
  const what = 'trace collector';
  const advice = 'Check OTEL_EXPORTER_OTLP_ENDPOINT and what belongs to it; meanwhile traces are lost.';
  return checkCollector(tracing).then(
    (): Finding => ({ mark: '✓', what, found: `accepts traces by ${tracing.protocol}` }),
    (error): Finding => ({ mark: '!', what, found: `away: ${reason(error)}`, advice }),
  );
}

function databaseAway({ database: { url } }: Environment, error: unknown): Finding {
  if (error instanceof Refusal) return { mark: '✗', what: 'database', found: error.reason, advice: error.advice };
  const advice = url
    ? 'Check DATABASE_URL, that PostgreSQL runs there, and that it accepts this machine.'
    : 'See the log in the data folder, or set DATABASE_URL.';
  return { mark: '✗', what: 'database', found: `${url ? new URL(url).host : 'embedded'}: ${reason(error)}`, advice };
}

async function database(url: string): Promise<Finding[]> {
  const client = new DatabaseClient({ connectionString: url, connectionTimeoutMillis: ANSWERED_WITHIN_MS });
  await client.connect();
  try {
    const asked = Date.now();
    const { rows } = await client.query<{ name: string; now: Date; migrates: boolean }>(
      `SELECT current_setting('server_version') AS name,
              clock_timestamp() AS now, has_schema_privilege(current_schema(), 'CREATE') AS migrates`,
    );
    const [{ name, now, migrates }] = rows;
    const apart = Math.abs(now.getTime() - (asked + Date.now()) / 2);
    const readOnly = await isReadOnly(async (statement) => (await client.query<{ readOnly: boolean }>(statement)).rows);
    const state = await schemaState(url);
    return [
      { mark: '✓', what: 'database', found: `PostgreSQL ${name}` },
      ...(readOnly ? [TAKES_NO_WRITES] : []),
      ...schema(state, migrates),
      apart <= CLOCK_TOLERANCE_MS
        ? { mark: '✓', what: 'clock', found: `${Math.round(apart)} ms from the database's` }
        : {
            mark: '!',
            what: 'clock',
            found: `${(apart / 1000).toFixed(1)} s from the database's`,
            advice: 'Synchronise the clocks of both machines (NTP).',
          },
    ];
  } finally {
    await client.end();
  }
}

const TAKES_NO_WRITES: Finding = {
  mark: '✗',
  what: 'database',
  found: 'takes no writes',
  advice: WRITES_ADVICE,
};

/** @param migrates whether the role of `DATABASE_URL` may change the schema */
function schema({ pending, unknown }: SchemaState, migrates: boolean): Finding[] {
  const what = 'schema';
  const findings: Finding[] = [];
  if (pending.length > 0) {
    const advice = migrates
      ? 'The next start runs them; npm run db:migrate does so now.'
      : 'Run npm run db:migrate with DATABASE_OWNER_URL: the role of DATABASE_URL may not change the schema.';
    findings.push({ mark: '!', what, found: `waiting: ${pending.join(', ')}`, advice });
  }
  if (unknown.length > 0) {
    const advice =
      'There is nothing to do: the previous release runs on them. Reverting them would delete what they added.';
    findings.push({ mark: '!', what, found: `of a newer release: ${unknown.join(', ')}`, advice });
  }
  return findings.length > 0 ? findings : [{ mark: '✓', what, found: 'up to date' }];
}

const ADVICE: Record<string, string> = {
  ...STORE_ADVICE,
  validator:
    'Check VALIDATOR_URL and VALIDATOR_SECRET, and that a process with ROLES=validator runs there; uploads answer 503 meanwhile.',
  'virus scanner': 'Check CLAMD_URL and that clamd runs; uploads answer 503 meanwhile (or set SCAN_FAIL_OPEN=true).',
};

/** @param databaseUrl unset: the database cannot be used, nor a queue that runs on it */
function dependencies(environment: Environment, databaseUrl?: string): Promise<Finding[]> {
  const { metrics, server } = environment;
  // Even what an API can do without for a while is a fault of the installation.
  const whole = unsigned(
    { ...environment, server: { ...server, roles: ['api', 'worker'] }, metrics: { ...metrics, port: undefined } },
    databaseUrl ?? '',
  );
  return ask(whole, databaseUrl !== undefined).catch((error: unknown) => [
    { mark: '✗', what: 'modules', found: reason(error) },
  ]);
}

/** Modules that own a dependency check it themselves, as for `/health/ready`. */
async function ask(installation: Installation, databaseServes: boolean): Promise<Finding[]> {
  const { redisUrl } = installation.queue;
  const lookedAt = await prepareQueue(installation).catch((error: unknown) => error as Error);
  const refused = lookedAt instanceof Refusal;
  // A queue on the database is asked only where the database answers.
  const asksQueue = redisUrl ? !refused : databaseServes;
  const app = await NestFactory.createApplicationContext(dependencyModule(installation, asksQueue), {
    logger: false,
    abortOnError: false,
  });
  const health = app.get(Health);
  const stores = app.get(BlobStores);
  const stored = databaseServes ? await storedIn(installation.database.url) : [];
  const used: string[] = ['s3', ...stores.taking, ...stored];
  const asked = stores.configured.filter((name) => used.includes(name));
  for (const name of asked) health.register(`storage ${name}`, async () => (await stores.at(name)).health());
  const checks = await health.ask(ANSWERED_WITHIN_MS);
  // Reported separately: the database, the stores, and below the sandbox by a run and each wall.
  delete checks.database;
  delete checks.storage;
  delete checks.sandbox;
  const findings = Object.entries(checks).map(([what, { status, ms, fault, required }]): Finding => {
    if (status === 'up') return { mark: '✓', what, found: `answers in ${ms} ms` };
    return {
      mark: required ? '✗' : '!',
      what,
      found: `away: ${fault}`,
      advice: what === 'queue' ? queueAdvice(redisUrl) : ADVICE[what],
    };
  });
  findings.push(...stored.filter((name) => !asked.some((other) => other === name)).map(notConfigured));
  if (!asksQueue && !refused) {
    findings.push({ mark: '!', what: 'queue', found: 'runs on the database, and was not checked' });
  }
  if (refused) findings.push({ mark: '✗', what: 'queue', found: lookedAt.reason, advice: lookedAt.advice });
  if (redisUrl && Array.isArray(lookedAt)) findings.push(...queueMemory(lookedAt));
  if (checks['storage s3']?.status === 'up') findings.push(await bucket(stores, app.get(Staging)));
  if (!checks['virus scanner']) {
    const advice = 'Set CLAMD_URL to have uploads scanned for malware.';
    findings.push({ mark: '!', what: 'virus scanner', found: 'none', advice });
  }
  const sandbox = app.get(SandboxService);
  findings.push(await run(sandbox));
  findings.push(walls(installation, 'sandbox walls', sandbox.missingWalls));
  if (!installation.validation.validator) {
    findings.push(walls(installation, 'validation walls', app.get(WasmValidator).missingWalls));
  }
  return findings;
}

/** The queue on Redis must not lose entries silently. */
const queueMemory = (cautions: Caution[]): Finding[] =>
  cautions.length > 0
    ? cautions.map((caution) => ({ mark: '!', what: 'queue memory', ...caution }))
    : [{ mark: '✓', what: 'queue memory', found: 'Redis evicts nothing' }];

const queueAdvice = (redisUrl: string | undefined): string =>
  redisUrl
    ? 'Check REDIS_URL, that Redis 7 or Valkey runs there, and that it accepts this machine.'
    : 'The queue runs on the database, because REDIS_URL is not set. Fix what doctor reports about the database.';

async function run(sandbox: SandboxService): Promise<Finding> {
  const what = 'sandbox';
  const advice = 'See the SANDBOX_ variables, and docs/security.md for what the sandbox requires of the machine.';
  try {
    const { outcome, metering } = await sandbox.tryOut();
    if (outcome.end === 'completed') {
      return { mark: '✓', what, found: `an agent ran in ${Math.round(metering.wallMs)} ms` };
    }
    const why = 'reason' in outcome ? `: ${outcome.reason}` : '';
    return { mark: '✗', what, found: `an agent that does nothing ended as ${outcome.end}${why}`, advice };
  } catch (error) {
    return { mark: '✗', what, found: reason(error), advice };
  }
}

/** All dependencies except the database, whose own check says more. */
function dependencyModule(installation: Installation, withQueue: boolean): Type {
  @Module({
    imports: [
      ConfigurationModule.of(installation),
      ObservabilityModule,
      ...(withQueue ? [QueueModule] : []),
      StorageModule,
      ValidationModule,
      ExecutionModule,
    ],
  })
  class Dependencies {}
  return Dependencies;
}
