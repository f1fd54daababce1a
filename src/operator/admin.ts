import { randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccountsService, AuthModule, AuthService, CredentialsDto } from '../auth/index.js';
import { AppError } from '../common/app-error.js';
import { checkedDto } from '../common/dto.pipe.js';
import { ConfigurationModule, type Environment, type Installation } from '../config/index.js';
import { dataSourceOptions, migrate } from '../data-source.js';
import { ObservabilityModule } from '../observability/index.js';
import { withInstallation } from './installation.js';

/**
 * Opens an account with the role `admin`. An existing account keeps its password, and gets the role only with
 * `--promote`. Addresses are not verified: the person who registered this one first knows its password.
 * @returns lines for the operator. A generated password is in them, and nowhere else
 */
export const createAdmin = (
  environment: Environment,
  { email, passwordStdin, promote }: { email: string; passwordStdin: boolean; promote: boolean },
): Promise<string> =>
  withInstallation(environment, async (installation) => {
    await migrate(installation.database.url);
    const given = passwordStdin ? (await text(process.stdin)).replace(/\r?\n$/, '') : undefined;
    const password = given ?? randomBytes(12).toString('base64url');
    const credentials = checkedCredentials(email, password);
    const app = await NestFactory.createApplicationContext(accountsModule(installation), { logger: false });
    try {
      await app.get(AuthService).create(credentials.email, credentials.password, 'admin');
      return `Admin ${email}${given === undefined ? `, password ${password} (shown this once)` : ''}`;
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'EMAIL_TAKEN') throw error;
      const accounts = app.get(AccountsService);
      const [{ id, role }] = (await accounts.list({ email, limit: 1 })).items;
      if (role === 'admin') return `${email} is already an admin; its password is unchanged.`;
      if (!promote)
        throw new Error(`${email} has an account. If you know who opened it, give it the role with --promote.`);
      await accounts.update(null, id, { role: 'admin' });
      return `${email} is an admin now; its password is unchanged.`;
    } finally {
      await app.close();
    }
  });

/** Checks the rules of a registration. @throws Error that says what is wrong */
function checkedCredentials(email: string, password: string): CredentialsDto {
  try {
    return checkedDto(CredentialsDto, { email, password });
  } catch (error) {
    const { errors } = error as AppError;
    throw new Error((errors ?? []).map(({ message }) => message).join('; ') || (error as Error).message, {
      cause: error,
    });
  }
}

function accountsModule(installation: Installation): Type {
  const { url, poolSize } = installation.database;
  @Module({
    imports: [
      ConfigurationModule.of(installation),
      TypeOrmModule.forRoot(dataSourceOptions(url, poolSize)),
      ObservabilityModule,
      AuthModule,
    ],
  })
  class Accounts {}
  return Accounts;
}
