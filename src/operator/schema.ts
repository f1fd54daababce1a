import type { Environment } from '../config/index.js';
import { migrate, revert } from '../data-source.js';
import { grantToApplication } from '../database/index.js';
import { withInstallation } from './installation.js';

/**
 * Brings the schema up to date; running servers wait for no lock longer than a moment. With `DATABASE_OWNER_URL` its role
 * does so, and the role of `DATABASE_URL` gets what a server needs.
 * @returns what was done, one line each
 */
export const migrateSchema = (environment: Environment): Promise<string> =>
  withInstallation(asOwner(environment), async (installation) => {
    const migrations = await migrate(installation.database.url);
    const lines = migrations.map((name) => `migrated: ${name}`);
    if (migrations.length === 0) lines.push('The schema is up to date.');
    const { url, ownerUrl } = environment.database;
    if (url && ownerUrl) lines.push(...(await grantToApplication(installation.database.url, url)));
    return lines.join('\n');
  });

/** Reverts the last migration, and deletes what it added. */
export const revertSchema = (environment: Environment): Promise<string> =>
  withInstallation(asOwner(environment), async ({ database }) => {
    const reverted = await revert(database.url);
    return reverted ? `reverted: ${reverted}` : 'There is no migration to revert.';
  });

/** Changes of the schema are the owner's. */
const asOwner = ({ database, ...rest }: Environment): Environment => ({
  ...rest,
  database: { ...database, url: database.ownerUrl ?? database.url },
});
