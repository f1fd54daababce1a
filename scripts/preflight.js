/**
 * Checks what must be right before the server is built or loaded. It uses plain JavaScript and no packages, so that an old
 * Node.js can read it and name its own version.
 */
import { accessSync, constants, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import os from 'node:os';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository, or what of it an image holds. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The defaults of `src/config/variables.ts`, which cannot be read before the build. A test compares them. */
export const DEFAULTS = { HOST: '127.0.0.1', PORT: '8080', ROLES: 'api,worker', DATA_DIR: '.zerostate' };

/** A fault that the operator can mend. Its message says how, so no stack is shown. */
export class PreflightError extends Error {}

/** @throws PreflightError when this Node.js is too old for the server */
export function checkNode() {
  const { engines } = JSON.parse(readFileSync(ROOT + 'package.json', 'utf8'));
  const required = engines.node.replace('>=', '');
  if (compare(process.versions.node, required) >= 0) return;
  throw new PreflightError(
    `ZeroState needs Node.js ${required} or newer, best 24. This is ${process.versions.node} (${process.execPath}). ` +
      'Install a newer one (https://nodejs.org), then run `npm ci` again.',
  );
}

/** @throws PreflightError when `npm ci` has not run */
export function checkPackages() {
  if (existsSync(ROOT + 'node_modules/@nestjs/core')) return;
  throw new PreflightError(`No packages are installed in ${ROOT}: run \`npm ci\` there.`);
}

/**
 * Checks the ports and the data folder that the server is about to use.
 * @param {Record<string, string | undefined>} env the server's variables
 * @throws PreflightError that names the variable and says what to do
 */
export async function checkPlace(env) {
  const value = (name) => env[name] || DEFAULTS[name];
  // It stores nothing.
  if (value('ROLES') === 'validator') return;
  checkDataDir(resolve(value('DATA_DIR')));
  if (value('ROLES').includes('api')) await checkPort(value('PORT'), value('HOST'));
}

function checkDataDir(folder) {
  try {
    makeFolder(folder);
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new PreflightError(
      `DATA_DIR ${folder} cannot be written by the user ${userName()} (${error.code}). ` +
        'Set DATA_DIR to a folder of this user, or change the owner of that one.',
    );
  }
}

/** Not `recursive: true`, which tries without end where the system answers ENOENT, as below /proc. */
function makeFolder(folder) {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder);
}

const userName = () => {
  try {
    return os.userInfo().username;
  } catch {
    return String(process.getuid && process.getuid()); // it has a number and no name, as in many containers
  }
};

function checkPort(text, host) {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new PreflightError(`PORT is "${text}": set it to a whole number from 1 to 65535, or to 0 for any free port.`);
  if (port === 0) return undefined;
  return new Promise((done, failed) => {
    const server = createServer();
    server.once('error', (error) => failed(explain(error)));
    server.listen({ port, host, exclusive: true }, () => server.close(() => done()));
  });
}

/** @returns a PreflightError for an address that cannot be listened on and for a full disk, else the error itself */
export function explain(error) {
  const { code, syscall, address, port } = error || {};
  if (syscall === 'getaddrinfo' && error.hostname === (process.env.HOST || DEFAULTS.HOST))
    return new PreflightError(`HOST ${error.hostname} is not known (${code}): set HOST to an address of this machine.`);
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new PreflightError(
      `The start needs more space than is left on the disk of DATA_DIR (${code}): make room there, or move DATA_DIR.`,
    );
  if (syscall !== 'listen') return error;
  if (code === 'EADDRINUSE')
    return new PreflightError(`Port ${port} on ${address} is taken: stop what listens there, or set PORT to another.`);
  if (code === 'EACCES')
    return new PreflightError(`Port ${port} may not be opened by the user ${userName()}: set PORT to one above 1023.`);
  return new PreflightError(`HOST ${address} cannot be listened on (${code}): set HOST to an address of this machine.`);
}

/**
 * @param {string[]} args the arguments of the server
 * @returns the variables that they set
 * @throws PreflightError for an argument that the server does not know
 */
export function parseArguments(args) {
  const unknown = args.find((arg) => arg !== '--no-demo');
  if (unknown !== undefined)
    throw new PreflightError(
      `Unknown argument "${unknown}". The server knows --no-demo alone; variables set everything else: docs/configuration.md.`,
    );
  return args.length > 0 ? { DEMO: 'false' } : {};
}

/** Reads `.env` of the current folder. What the environment has already stays as it is. */
export function loadEnvironment() {
  if (existsSync('.env')) process.loadEnvFile('.env');
  return process.env;
}

/** Logs are never vital: a closed pipe, a terminal that is gone or a full disk must not end the process. */
export function surviveClosedOutput() {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}

const STOP_SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM'];

/**
 * Ends the process at a signal until the server has its own handlers: without one, the first process of a container ignores
 * signals.
 */
export function endOnSignals() {
  leaveSignals();
  for (const signal of STOP_SIGNALS) process.on(signal, end);
}

/** Takes that back: from now on the server itself handles signals. */
export function leaveSignals() {
  for (const signal of STOP_SIGNALS) process.off(signal, end);
}

const end = (signal) => process.exit(128 + os.constants.signals[signal]);

/** Says what is wrong and ends. The stack helps only where the fault is ours. */
export function fail(error) {
  const told = explain(error);
  console.error(told instanceof Error ? told.message : told);
  if (process.env.LOG_LEVEL === 'debug') console.error(error);
  process.exit(1);
}

/** @returns a negative number when version `a` is older than `b` */
function compare(a, b) {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  for (let part = 0; part < 3; part++) {
    const difference = (left[part] || 0) - (right[part] || 0);
    if (difference) return difference;
  }
  return 0;
}
