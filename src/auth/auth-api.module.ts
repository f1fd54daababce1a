import { Module } from '@nestjs/common';
import { FeedModule } from '../feed/index.js';
import { AccountsController } from './accounts.controller.js';
import { ApiKeysController } from './api-keys.controller.js';
import { AuthController } from './auth.controller.js';
import { AuthModule } from './auth.module.js';
import { BrowserSessionController } from './browser-session.controller.js';
import { LogLevelController } from './log-level.controller.js';
import { PasswordController } from './password.controller.js';

/** The REST routes of accounts and access. Present in processes with the role `api`. */
@Module({
  imports: [AuthModule, FeedModule],
  controllers: [
    AuthController,
    BrowserSessionController,
    PasswordController,
    ApiKeysController,
    AccountsController,
    LogLevelController,
  ],
})
export class AuthApiModule {}
