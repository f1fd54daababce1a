import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type INestApplicationContext, Logger } from '@nestjs/common';
import { AccessTokens, AuthService, type Caller } from '../auth/index.js';
import { AgentCatalog } from '../agents/index.js';
import { AppError } from '../common/app-error.js';
import { newId } from '../common/ids.js';
import type { Environment } from '../config/index.js';
import { Staging } from '../storage/index.js';
import { UploadService } from '../upload/index.js';

const EXAMPLES = fileURLToPath(new URL('../../../examples/agents', import.meta.url));
const logger = new Logger('FirstRun');

export interface FirstRun {
  /** Lines for the operator, shown once. */
  notices: string[];
  /** Short-lived, for the demonstration; unset as long as there is no admin. */
  adminToken?: string;
}

/**
 * Leaves no installation without an admin and, outside production, no market without agents. Changes nothing that is there.
 * In production a password is given or there is no admin yet: one that is made up would stand in a log that is collected.
 */
export async function provision(app: INestApplicationContext, environment: Environment): Promise<FirstRun> {
  const admin = await firstAdmin(app, environment);
  if (!admin) return { notices: ['Admin       none yet: `npm run admin:create` makes one'] };
  const { caller, notices } = admin;
  const [agent] = await app.get(AgentCatalog, { strict: false }).offeringNow([]);
  if (!agent && !environment.server.production) notices.push(...(await registerExamples(app, caller)));
  return {
    notices,
    adminToken: app.get(AccessTokens, { strict: false }).issue({ ...caller, sessionId: newId() }).token,
  };
}

async function firstAdmin(
  app: INestApplicationContext,
  { auth, server }: Environment,
): Promise<{ caller: Caller; notices: string[] } | undefined> {
  const accounts = app.get(AuthService, { strict: false });
  const known = async (): Promise<{ caller: Caller; notices: string[] } | undefined> => {
    const admin = await accounts.firstAdmin();
    return admin ? { caller: { id: admin.id, role: 'admin', expiresAt: Infinity }, notices: [] } : undefined;
  };
  const present = await known();
  if (present || (server.production && !auth.adminPassword)) return present;
  const password = auth.adminPassword ?? randomBytes(12).toString('base64url');
  const admin = await accounts.create(auth.adminEmail, password, 'admin').catch((error: Error) => error);
  // Another process that starts at the same moment has been faster.
  if (admin instanceof Error) return (await known()) ?? Promise.reject(admin);
  const shown = auth.adminPassword ? 'the password from ADMIN_PASSWORD' : `password ${password} (shown this once)`;
  return {
    caller: { id: admin.id, role: 'admin', expiresAt: Infinity },
    notices: [`Admin       ${auth.adminEmail}, ${shown}`],
  };
}

/** Uploads each `examples/agents/<name>` the way an owner would: form, validation, storage, version. */
async function registerExamples(app: INestApplicationContext, owner: Caller): Promise<string[]> {
  const uploads = app.get(UploadService, { strict: false });
  const staging = app.get(Staging, { strict: false });
  const registered: string[] = [];
  for (const card of await exampleCards()) {
    const { slug, binary, ...form } = card.form;
    try {
      const staged = await staging.stage(createReadStream(join(card.folder, binary)), Number.MAX_SAFE_INTEGER);
      await uploads.publish(owner, await uploads.destination(owner, slug), form, staged);
      registered.push(slug);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      logger.warn(`the example agent ${slug} was not registered: ${error.code} ${error.message}`);
    }
  }
  return registered.length > 0 ? [`Agents      ${registered.join(', ')}`] : [];
}

interface ExampleCard {
  folder: string;
  /** The upload form's fields, and the name of the file. */
  form: { slug: string; binary: string } & Record<string, unknown>;
}

/** One folder an agent, with its card in `agent.json`. */
async function exampleCards(): Promise<ExampleCard[]> {
  const entries = await readdir(EXAMPLES, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => join(EXAMPLES, entry.name));
  const cards: ExampleCard[] = [];
  for (const folder of folders.sort()) {
    const text = await readFile(join(folder, 'agent.json'), 'utf8').catch(() => null);
    if (text !== null) cards.push({ folder, form: JSON.parse(text) as ExampleCard['form'] });
  }
  return cards;
}
