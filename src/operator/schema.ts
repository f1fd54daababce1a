import type { Environment } from '../config/index.js';
import { migrate, revert } from '../data-source.js';
import { withInstallation } from './installation.js';

/** Brings the schema up to date; running servers wait for no lock longer than a moment. */
export const migrateSchema = (environment: Environment): Promise<string> =>
  withInstallation(environment, async ({ database }) => {
    const migrations = await migrate(database.url);
    return migrations.length > 0
      ? migrations.map((name) => `migrated: ${name}`).join('\n')
      : 'The schema is up to date.';
  });

/** Takes the last migration back, and deletes what it added. */
export const revertSchema = (environment: Environment): Promise<string> =>
  withInstallation(environment, async ({ database }) => {
    const reverted = await revert(database.url);
    return reverted ? `reverted: ${reverted}` : 'There is no migration to take back.';
  });
