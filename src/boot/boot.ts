import { setTimeout } from 'node:timers/promises';
import { type INestApplicationContext, Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AppModule } from '../app.module.js';
import type { Environment, Installation } from '../config/index.js';
import { migrate } from '../data-source.js';
import { openDatabase } from '../database/index.js';
import { SandboxService } from '../execution/index.js';
import { Health, startLogging, startTracing } from '../observability/index.js';
import { Worker } from '../orchestration/index.js';
import { showMainJob } from './demo.js';
import { provision } from './first-run.js';
import { answerTheRest, configureHttp } from './http.js';
import { jwtSecret } from './secrets.js';

const logger = new Logger('Boot');

/** Enough to end connections that answer, ms. */
const CLOSE_MS = 10_000;

/**
 * From a parsed environment to a serving process: database, schema, secrets, modules, first run, HTTP. Ends the process
 * after a drain on SIGINT or SIGTERM; a second signal ends it at once.
 */
export async function boot(environment: Environment): Promise<void> {
  startLogging(environment.server.logLevel);
  const { roles } = environment.server;
  const ending: (() => Promise<void>)[] = [];
  const isStopping = stopOnSignals(ending);
  try {
    ending.push(await startTracing(environment.tracing, roles));
    const complete = await withDatabaseAndSecrets(environment, ending);
    const app = await createApp(complete);
    ending.unshift(() => close(app, environment));
    if (roles.includes('worker'))
      for (const line of app.get(SandboxService, { strict: false }).describe()) logger.warn(line);
    if (!isHttp(app)) {
      logger.log('ready: waiting for tasks');
      process.send?.({ type: 'ready' });
      return;
    }
    await listen(app, complete);
    // After the port is ours: a password that is shown once must not be made by a start that fails.
    const firstRun = await provision(app, complete);
    const url = (await app.getUrl()).replace('0.0.0.0', 'localhost').replace('[::]', 'localhost');
    announce(url, firstRun.notices);
    process.send?.({ type: 'listening', url });
    const { adminToken } = firstRun;
    if (complete.server.demo && adminToken && roles.includes('worker')) await showMainJob(url, adminToken);
  } catch (error) {
    // What the start was about to use is being closed, and the stop ends the process once it is done.
    if (isStopping()) return;
    for (const end of ending) await end().catch(() => undefined);
    throw error;
  }
}

async function listen(app: NestExpressApplication, { server }: Environment): Promise<void> {
  await app.listen(server.port, server.host).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error;
    throw new Error(`Port ${server.port} is taken: stop what listens there, or set PORT to another.`, { cause: error });
  });
}

/** Fills in what the operator left to the defaults: the embedded database's address and a signing secret. */
async function withDatabaseAndSecrets(
  environment: Environment,
  ending: (() => Promise<void>)[],
): Promise<Installation> {
  const opening = openDatabase(environment, (line) => logger.log(line));
  // Known before it is open: a stop that did not wait for it would leave PostgreSQL running.
  ending.push(() =>
    opening.then(
      ({ stop }) => stop(),
      () => undefined,
    ),
  );
  const { url } = await opening;
  const migrations = await migrate(url).catch((error: Error) => Promise.reject(explained(error, environment)));
  for (const migration of migrations) logger.log(`migrated the database: ${migration}`);
  return {
    ...environment,
    database: { ...environment.database, url },
    auth: {
      ...environment.auth,
      jwtSecret: environment.auth.jwtSecret ?? (await jwtSecret(environment.server.dataDir)),
    },
  };
}

/** An address that does not answer is the operator's to mend, and its message alone does not say which address it was. */
function explained(error: Error, { database }: Environment): Error {
  const { code } = error as NodeJS.ErrnoException;
  if (!database.url || !code) return error;
  const { host } = new URL(database.url);
  return new Error(`The database at ${host} (DATABASE_URL) refuses: ${error.message || code}.`, { cause: error });
}

/** Without the role `api` there is no HTTP at all. */
async function createApp(installation: Installation): Promise<INestApplicationContext> {
  const module = AppModule.forRoot(installation);
  if (!installation.server.roles.includes('api')) {
    return NestFactory.createApplicationContext(module, { abortOnError: false });
  }
  const app = await NestFactory.create<NestExpressApplication>(module, {
    bodyParser: false,
    // Streams of events would otherwise hold a stop up for as long as their readers like.
    forceCloseConnections: true,
    abortOnError: false,
  });
  await configureHttp(app, installation);
  await app.init();
  answerTheRest(app);
  return app;
}

const isHttp = (app: INestApplicationContext): app is NestExpressApplication => 'listen' in app;

function announce(url: string, notices: string[]): void {
  const lines = [
    '',
    `  ZeroState   ${url}/api/v1`,
    `  Swagger     ${url}/docs`,
    `  Health      ${url}/health/ready`,
    ...notices.map((notice) => `  ${notice}`),
    '',
  ];
  console.log(lines.join('\n'));
}

/** After the tasks under way nothing is left to lose: a backend that is away must not hold the stop up. */
async function close(app: INestApplicationContext, { server }: Environment): Promise<void> {
  app.get(Health, { strict: false }).stop();
  await setTimeout(server.shutdownDelayMs);
  if (server.roles.includes('worker')) await app.get(Worker, { strict: false }).drain();
  await Promise.race([app.close(), setTimeout(CLOSE_MS, undefined, { ref: false })]);
}

/** @returns whether there was a signal */
function stopOnSignals(ending: (() => Promise<void>)[]): () => boolean {
  let stopping = false;
  const stop = async (signal: NodeJS.Signals | 'disconnect'): Promise<void> => {
    if (stopping) process.exit(1);
    stopping = true;
    logger.log(`${signal}: finishing what is under way; a second signal stops at once`);
    try {
      for (const end of ending) await end();
      process.exit(0);
    } catch (error) {
      logger.error(`the stop was not clean: ${(error as Error).stack}`);
      process.exit(1);
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop(signal));
  // Started by a program over IPC: without it there is nobody left to serve or to stop us.
  if (process.send) process.on('disconnect', () => void stop('disconnect'));
  return () => stopping;
}
