import { ConfigModule } from '@nestjs/config';
import type { Environment } from './environment.js';

/** An environment in which nothing is left open: the database has an address, and there is a secret to sign with. */
export type Installation = Environment & { database: { url: string }; auth: { jwtSecret: string } };

/** Hands the slices out by `ConfigService`, in every module. */
export const configModule = (installation: Installation): ReturnType<typeof ConfigModule.forRoot> =>
  ConfigModule.forRoot({ isGlobal: true, ignoreEnvFile: true, skipProcessEnv: true, load: [() => installation] });
