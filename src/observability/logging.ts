import { Logger as NestLogger } from '@nestjs/common';
import { Logger, PinoLogger } from 'nestjs-pino';
import { type DestinationStream, pino } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { toLogFields, workContext } from '../common/work-context.js';
import type { LogLevel } from '../config/index.js';

/** The levels of the configuration, in the words of pino. */
const PINO_LEVEL = {
  fatal: 'fatal',
  error: 'error',
  warn: 'warn',
  log: 'info',
  debug: 'debug',
  verbose: 'trace',
} as const satisfies Record<LogLevel, string>;

/** Nest logs every module and route at every start; shown only on request. */
const FRAMEWORK = new Set([
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestFactory',
  'WebSocketsController',
]);

let level: LogLevel = 'log';
const terminal = process.stdout.isTTY === true;

/**
 * Makes Nest's `Logger`, which all modules write to, write readable lines in a terminal and JSON elsewhere. Each line
 * names the current work (see `WorkContext`), and none contains a secret.
 */
export function startLogging(least: LogLevel): Logger {
  const root = pino(
    {
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => {
        const context = workContext();
        return context ? toLogFields(context) : {};
      },
      hooks: { streamWrite: withoutSecrets },
    },
    terminal ? forPeople() : process.stdout,
  );
  const logger = new QuietLogger(new PinoLogger({ pinoHttp: { logger: root } }), {});
  setLogLevel(least);
  NestLogger.overrideLogger(logger);
  return logger;
}

export const logLevel = (): LogLevel => level;

/** The log level of this process, from now on. */
export function setLogLevel(least: LogLevel): void {
  level = least;
  PinoLogger.root.level = PINO_LEVEL[least];
}

/**
 * One line for each request, job and attempt. A terminal shows them with `LOG_LEVEL=debug` only: at a start they would
 * hide what matters.
 */
export function tellRoutine(logger: NestLogger, line: Record<string, unknown> & { msg: string }): void {
  if (terminal) logger.debug(line);
  else logger.log(line);
}

class QuietLogger extends Logger {
  override log(message: unknown, ...rest: unknown[]): void {
    if (level === 'log' && FRAMEWORK.has(String(rest.at(-1)))) return;
    super.log(message, ...(rest as []));
  }
}

/** Writes to standard output like everything else, so that one listener there handles its errors. */
function forPeople(): DestinationStream {
  const line = prettyFactory({
    colorize: true,
    translateTime: 'SYS:HH:MM:ss',
    messageFormat: '{context}: {msg}',
    ignore: 'context',
  });
  return { write: (json) => void process.stdout.write(line(json)) };
}

/**
 * Removes secrets from a line: values of fields with secret names, bearer tokens, JWTs, API keys, signatures of links,
 * passwords in addresses. It covers the whole line, so no message or field is missed. Text that a client controls is
 * searched in time proportional to its length.
 */
export const withoutSecrets = (line: string): string =>
  line
    .replace(NAMED, '$1[redacted]"')
    .replace(NAMED_INSIDE, String.raw`$1[redacted]\"`)
    .replace(BEARER, '$1[redacted]')
    .replace(JWT, (run, rest?: string) => (rest ? '[redacted]' : run))
    .replace(API_KEY, '[redacted]')
    .replace(IN_LINK, '$1[redacted]')
    .replace(IN_ADDRESS, '$1[redacted]@');

const NAMES = String.raw`(?:[\w-]*(?:password|secret|token)|authorization|cookie|x-api-key|api_key)`;
const NAMED = new RegExp(String.raw`("${NAMES}"\s*:\s*")(?:[^"\\]|\\.)*"`, 'gi');
/** In JSON that is a string in the line. */
const NAMED_INSIDE = new RegExp(String.raw`(\\"${NAMES}\\"\s*:\s*\\")[^"\\]*\\"`, 'gi');
const BEARER = /(\b(?:bearer|basic) )[\w.~+/=-]{8,}/gi;
/** Consumes the whole run of letters even if no JWT follows; otherwise each `eyJ` in it would be searched again. */
const JWT = /\beyJ[\w-]+(\.[\w-]+\.[\w-]*)?/g;
const API_KEY = /\bzsk_[\w-]{8,}/g;
const IN_LINK = /([?&](?:signature|sig|token|X-Amz-(?:Signature|Credential|Security-Token))=)[^&\s"\\]+/gi;
const IN_ADDRESS = /(:\/\/[^\s:/@"]*:)[^\s@/"]+@/g;
