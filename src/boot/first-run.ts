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
 * Makes the first admin and, outside production, registers the example agents of a market that has none. Changes nothing
 * that is there. In production no password is made up: it would be in a log that others collect.
 */
export async function provision(app: INestApplicationContext, environment: Environment): Promise<FirstRun> {
  const { caller, notices } = await firstAdmin(app, environment);
  if (!caller) return { notices };
  const [agent] = await app.get(AgentCatalog, { strict: false }).offeringNow([]);
  if (!agent && !environment.server.production) notices.push(...(await registerExamples(app, caller)));
  return {
    notices,
    adminToken: app.get(AccessTokens, { strict: false }).issue({ ...caller, sessionId: newId() }).token,
  };
}

/** The admin of this installation, made if it can be. `caller` is unset while there is none. */
interface Admin {
  caller?: Caller;
  notices: string[];
}

async function firstAdmin(app: INestApplicationContext, { auth, server }: Environment): Promise<Admin> {
  const accounts = app.get(AuthService, { strict: false });
  const known = async (): Promise<Admin | undefined> => {
    const admin = await accounts.firstAdmin();
    return admin ? { caller: { id: admin.id, role: 'admin', expiresAt: Infinity }, notices: [] } : undefined;
  };
  const present = await known();
  if (present) return present;
  if (server.production && !auth.adminPassword)
    return { notices: ['Admin       none yet: `npm run admin:create` makes one'] };
  const password = auth.adminPassword ?? randomBytes(12).toString('base64url');
  try {
    const { id } = await accounts.create(auth.adminEmail, password, 'admin');
    const shown = auth.adminPassword ? 'the password from ADMIN_PASSWORD' : `password ${password} (shown this once)`;
    return {
      caller: { id, role: 'admin', expiresAt: Infinity },
      notices: [`Admin       ${auth.adminEmail}, ${shown}`],
    };
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'EMAIL_TAKEN') throw error;
    // Either another process that starts at the same moment made the admin, or a user has this address.
    return (await known()) ?? { notices: [taken(auth.adminEmail)] };
  }
}

/** Addresses are not verified: a stranger may have registered this one, so the start does not make it an admin. */
const taken = (email: string): string =>
  `Admin       none: ${email} (ADMIN_EMAIL) is a user's account. Set another ADMIN_EMAIL and start again, or run ` +
  '`npm run admin:create`';

/** Uploads each `examples/agents/<name>` the way an owner would: form, validation, storage, version. */
async function registerExamples(app: INestApplicationContext, owner: Caller): Promise<string[]> {
  const uploads = app.get(UploadService, { strict: false });
  const staging = app.get(Staging, { strict: false });
  const registered: string[] = [];
  const cards = await exampleCards();
  if (cards.length > 0) logger.log(`registering ${cards.length} example agents`);
  for (const card of cards) {
    const { slug, binary, ...form } = card.form;
    try {
      const staged = await staging.stage(createReadStream(join(card.folder, binary)), Number.MAX_SAFE_INTEGER);
      await uploads.publish(owner, await uploads.destination(owner, slug), form, staged);
      registered.push(slug);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      logger.warn(`the example agent ${slug} was not registered: ${error.code} ${error.message}`);
      // What is away for one is away for all, and the start waits. The next start tries again.
      if (error.kind === 'unavailable') break;
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
