import * as slices from './slices.js';
import { type Variables, variables } from './variables.js';

/**
 * The environment, parsed once into typed slices. Only `config/` reads `process.env`; other modules get a slice
 * injected by its class in `config.module.ts`. A bad value stops the boot and the message names the variable.
 */
export type Environment = ReturnType<typeof toSlices>;

/**
 * @param source usually `process.env`
 * @throws Error whose message has one line per offending variable
 */
export function parseEnvironment(source: NodeJS.ProcessEnv): Environment {
  const given = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = variables.safeParse(given);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `  ${String(issue.path[0] ?? 'environment')}: ${issue.message}`);
    throw new Error(`The configuration has mistakes:\n${lines.join('\n')}`);
  }
  return toSlices(parsed.data);
}

const toSlices = (env: Variables) => ({
  server: slices.server(env),
  metrics: slices.metrics(env),
  tracing: slices.tracing(env),
  database: slices.database(env),
  queue: slices.queue(env),
  hostCalls: slices.hostCalls(env),
  storage: slices.storage(env),
  quotas: slices.quotas(env),
  auth: slices.auth(env),
  mail: slices.mail(env),
  protection: slices.protection(env),
  gateway: slices.gateway(env),
  tasks: slices.tasks(env),
  market: slices.market(env),
  ledger: slices.ledger(env),
  auction: slices.auction(env),
  sandbox: slices.sandbox(env),
  validation: slices.validation(env),
  mcp: slices.mcp(env),
  webhooks: slices.webhooks(env),
  egress: slices.egress(env),
  llm: slices.llm(env),
  secrets: slices.secrets(env),
  scanner: slices.scanner(env),
});
