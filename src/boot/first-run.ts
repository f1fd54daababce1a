import { randomBytes } from 'node:crypto';
import type { INestApplicationContext } from '@nestjs/common';
import { AccessTokens, AuthService, type Caller } from '../auth/index.js';
import { AgentCatalog } from '../agents/index.js';
import { AppError } from '../common/app-error.js';
import { newId } from '../common/ids.js';
import type { Environment } from '../config/index.js';
import { registerExamples } from './example-agents.js';

export interface FirstRun {
  /** Lines for the operator, shown once. */
  notices: string[];
  /** Short-lived, for the demonstration; unset while there is no admin. */
  adminToken?: string;
}

/**
 * Makes the first admin and, outside production, registers the example agents if the market has none. Changes nothing
 * that exists. In production it generates no password, because a log collector would store it.
 */
export async function provision(app: INestApplicationContext, environment: Environment): Promise<FirstRun> {
  const { caller, notices } = await firstAdmin(app, environment);
  if (!caller) return { notices };
  const [agent] = await app.get(AgentCatalog, { strict: false }).offeringNow([]);
  if (!agent) notices.push(...(await registerExamples(app, caller, environment.server.exampleAgents)));
  return {
    notices,
    adminToken: app.get(AccessTokens, { strict: false }).issue({ ...caller, sessionId: newId() }).token,
  };
}

/** The admin of this installation, made if possible. `caller` is unset while there is none. */
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
    // Either another starting process made the admin at the same moment, or a user has this address.
    return (await known()) ?? { notices: [taken(auth.adminEmail)] };
  }
}

/** Addresses are not verified. A stranger may have registered this one, so the start does not make it an admin. */
const taken = (email: string): string =>
  `Admin       none: ${email} (ADMIN_EMAIL) is a user's account. Set another ADMIN_EMAIL and start again, or run ` +
  '`npm run admin:create`';
