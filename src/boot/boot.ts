import { setTimeout } from 'node:timers/promises';
import { type INestApplicationContext, Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AppModule } from '../app.module.js';
import { lacksPrivilege, takesNoWrites } from '../common/outage.js';
import { Refusal } from '../common/refusal.js';
import type { Environment, Installation, Role } from '../config/index.js';
import { migrate } from '../data-source.js';
import { openDatabase, WRITES_ADVICE } from '../database/index.js';
import { SandboxService } from '../execution/index.js';
import { inTime } from '../common/timers.js';
import { VERSION } from '../common/version.js';
import { Health, startLogging, startTracing } from '../observability/index.js';
import { Worker } from '../orchestration/index.js';
import { prepareQueue } from '../queue/index.js';
import { ValidatorServer, WasmValidator } from '../validation/index.js';
import { hasConsole } from './console.js';
import { showMainJob } from './demo.js';
import { provision } from './first-run.js';
import { answerTheRest, configureHttp } from './http.js';
import { endOfLife } from './node-release.js';
import { jwtSecret, secretsKey } from './secrets.js';
import { createValidator } from './validator.js';
import { assertWalls } from './walls.js';

const logger = new Logger('Boot');

/** Enough to end connections that answer, ms. */
const CLOSE_MS = 10_000;

/** A longer migration logs its progress this often, ms. */
const PROGRESS_MS = 10_000;

/**
 * From a parsed environment to a serving process: database, schema, secrets, modules, first run, HTTP. It handles
 * signals from the first moment: `stopOnSignals` describes how a process ends.
 */
export async function boot(environment: Environment): Promise<void> {
  startLogging(environment.server.logLevel);
  const { roles } = environment.server;
  const ending: (() => Promise<void>)[] = [];
  const isStopping = stopOnSignals(ending);
  try {
    logger.log(`ZeroState ${VERSION} on Node.js ${process.versions.node}, roles ${roles.join(', ')}`);
    const risk = endOfLife(process.versions.node, new Date());
    if (risk) logger.warn(risk);
    ending.push(await startTracing(environment.tracing, roles));
    if (roles.includes('validator')) return await bootValidator(environment, ending);
    const complete = await withDatabaseAndSecrets(environment, ending);
    await lookAtQueue(complete);
    const app = await createApp(complete);
    ending.unshift(() => close(app, environment));
    checkWalls(environment, confinedParts(app, roles));
    const health = app.get(Health, { strict: false });
    if (!isHttp(app)) {
      health.serve();
      logger.log('ready: waiting for tasks');
      process.send?.({ type: 'ready' });
      return;
    }
    // Before clients can connect: a stranger must not register the admin's address, and first tasks must find their
    // agents.
    const { notices, adminToken } = await provision(app, complete);
    if (isStopping()) return;
    await app.listen(environment.server.port, environment.server.host).catch((error: Error) => {
      // A generated password is shown once, even if the start fails later.
      console.log(notices.join('\n'));
      throw error;
    });
    health.serve();
    const url = (await app.getUrl()).replace('0.0.0.0', 'localhost').replace('[::]', 'localhost');
    announce(url, notices);
    process.send?.({ type: 'listening', url });
    if (complete.server.demo && adminToken && roles.includes('worker')) await showMainJob(url, adminToken);
  } catch (error) {
    // The stop is closing what the start was about to use, and ends the process when it is done.
    if (isStopping()) return;
    for (const end of ending) await end().catch(() => undefined);
    throw error;
  }
}

/** From a parsed environment to a process that checks binaries, without a database and without secrets. */
async function bootValidator(environment: Environment, ending: (() => Promise<void>)[]): Promise<void> {
  const app = await createValidator(environment);
  ending.unshift(() => close(app, environment));
  const validator = app.get(ValidatorServer, { strict: false });
  checkWalls(environment, [validator]);
  const address = await validator.listen();
  app.get(Health, { strict: false }).serve();
  logger.log(`ready: checking binaries for API processes on ${address}`);
  process.send?.({ type: 'ready' });
}

/** A part that starts confined processes. */
type ConfinedPart = Pick<WasmValidator, 'describe' | 'missingWalls'>;

const confinedParts = (app: INestApplicationContext, roles: readonly Role[]): ConfinedPart[] => [
  ...(roles.includes('worker') ? [app.get(SandboxService, { strict: false })] : []),
  ...(roles.includes('api') ? [app.get(WasmValidator, { strict: false })] : []),
];

/** Logs each missing wall. @throws Error if the operator does not accept one */
function checkWalls(environment: Environment, confined: readonly ConfinedPart[]): void {
  for (const line of confined.flatMap((part) => part.describe())) logger.warn(line);
  assertWalls(
    environment,
    confined.flatMap(({ missingWalls }) => missingWalls),
  );
}

/** Fills in the defaults: the embedded database's address and a signing secret. */
async function withDatabaseAndSecrets(
  environment: Environment,
  ending: (() => Promise<void>)[],
): Promise<Installation> {
  const opening = openDatabase(environment, (line) => logger.log(line));
  // Registered before it is open: otherwise an early stop would leave PostgreSQL running.
  ending.push(() =>
    opening.then(
      ({ stop }) => stop(),
      () => undefined,
    ),
  );
  const explain = (error: Error): Promise<never> => Promise.reject(explained(error, environment));
  const { url } = await opening.catch(explain);
  await bringUpToDate(url).catch(explain);
  const { dataDir, production } = environment.server;
  const { key } = environment.secrets;
  return {
    ...environment,
    database: { ...environment.database, url },
    auth: {
      ...environment.auth,
      jwtSecret: environment.auth.jwtSecret ?? (await jwtSecret(dataDir)),
    },
    secrets: { ...environment.secrets, key: key ?? (production ? undefined : await secretsKey(dataDir)) },
  };
}

/** Logs one line for all migrations, and their progress now and then. */
async function bringUpToDate(url: string): Promise<void> {
  const begun = Date.now();
  const seconds = (): string => `${((Date.now() - begun) / 1000).toFixed(1)} s`;
  const progress = setInterval(() => logger.log(`still migrating the database (${seconds()})`), PROGRESS_MS);
  try {
    const names = await migrate(url);
    if (names.length > 0)
      logger.log(`migrated the database in ${seconds()}: ${names.length} migrations, the last ${names.at(-1)}`);
  } finally {
    clearInterval(progress);
  }
}

/** The operator must fix an address that does not answer, and the error alone does not name it. */
function explained(error: Error, { database }: Environment): Error {
  const { code } = error as NodeJS.ErrnoException;
  if (!database.url || !code) return error;
  if (lacksPrivilege(error)) {
    const { username } = new URL(database.url);
    return new Refusal(
      `The role ${username} of DATABASE_URL may not bring the database up to date: ${error.message}.`,
      'Run npm run db:migrate with DATABASE_OWNER_URL, as docs/deployment.md says.',
      { cause: error },
    );
  }
  const { host } = new URL(database.url);
  if (takesNoWrites(error)) {
    return new Refusal(`The database at ${host} (DATABASE_URL) takes no writes.`, WRITES_ADVICE, { cause: error });
  }
  return new Error(`The database at ${host} (DATABASE_URL) refuses the connection: ${error.message || code}.`, {
    cause: error,
  });
}

/** The start continues during an outage: a process stores tasks without the queue, and a worker waits for it. */
async function lookAtQueue(installation: Installation): Promise<void> {
  try {
    for (const { found, advice } of await prepareQueue(installation)) logger.warn(`queue: ${found}. ${advice}`);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    const { message, code } = error as NodeJS.ErrnoException;
    logger.warn(`The queue is away (${message || code}). Starting without it, and trying again.`);
  }
}

/** Without the role `api` there is no HTTP. */
async function createApp(installation: Installation): Promise<INestApplicationContext> {
  const module = AppModule.forRoot(installation);
  if (!installation.server.roles.includes('api')) {
    return NestFactory.createApplicationContext(module, { abortOnError: false });
  }
  const app = await NestFactory.create<NestExpressApplication>(module, {
    bodyParser: false,
    // Otherwise event streams would delay a stop for as long as their readers like.
    forceCloseConnections: true,
    abortOnError: false,
  });
  const files = await configureHttp(app, installation);
  await app.init();
  answerTheRest(app, files);
  return app;
}

const isHttp = (app: INestApplicationContext): app is NestExpressApplication => 'listen' in app;

function announce(url: string, notices: string[]): void {
  const lines = [
    '',
    `  ZeroState   ${url}/api/v1`,
    ...(hasConsole() ? [`  Console     ${url}/`] : []),
    `  Swagger     ${url}/docs`,
    `  Health      ${url}/health/ready`,
    ...notices.map((notice) => `  ${notice}`),
    '',
  ];
  console.log(lines.join('\n'));
}

/** Once running tasks have ended, nothing can be lost: an unavailable backend must not delay the stop. */
async function close(app: INestApplicationContext, { server }: Environment): Promise<void> {
  app.get(Health, { strict: false }).stop();
  await setTimeout(server.shutdownDelayMs);
  if (server.roles.includes('worker')) await app.get(Worker, { strict: false }).drain();
  await inTime(app.close(), CLOSE_MS, () => undefined);
}

/** Ctrl-C can reach a process twice: the terminal signals the whole group, and npm passes its own signal on. ms. */
const SAME_SIGNAL_MS = 1000;

/** How long a hurried stop waits for the embedded database, ms. */
const HURRY_MS = 5000;

/**
 * Ends the process with exit code 0 after a drain on SIGINT, SIGTERM or SIGHUP (the terminal has closed). A second
 * signal ends it with 1; only the embedded database is still stopped. An uncaught exception also drains, and ends it
 * with 1.
 * @param ending steps of the stop, in order; the database comes last
 * @returns whether the process is ending
 */
function stopOnSignals(ending: (() => Promise<void>)[]): () => boolean {
  let stoppingSince: number | undefined;
  let hurried = false;
  const hurry = async (): Promise<void> => {
    if (hurried) process.exit(1);
    hurried = true;
    const stopped = ending.at(-1)?.() ?? Promise.resolve();
    await inTime(stopped, HURRY_MS, () => undefined).catch(() => undefined);
    process.exit(1);
  };
  const stop = async (reason: string, code: number): Promise<void> => {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince > SAME_SIGNAL_MS) await hurry();
      return;
    }
    stoppingSince = performance.now();
    logger.log(`${reason}: finishing running work; a second signal stops at once`);
    try {
      for (const end of ending) await end();
      process.exit(code);
    } catch (error) {
      logger.error(`the stop was not clean: ${(error as Error).stack}`);
      process.exit(1);
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop(signal, 0));
  // The program that started this one over IPC has gone, so no other program would stop it.
  if (process.send) process.on('disconnect', () => void stop('disconnect', 0));
  process.on('uncaughtException', (error) => {
    logger.fatal(`unexpected fault, stopping: ${error?.stack ?? error}`);
    if (stoppingSince === undefined) void stop('uncaught exception', 1);
  });
  return () => stoppingSince !== undefined;
}
