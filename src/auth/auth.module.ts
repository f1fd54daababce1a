import { createSecretKey } from 'node:crypto';
import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { JwtModule } from '@nestjs/jwt';
import { AuthConfig, MailConfig } from '../config/index.js';
import { FeedModule } from '../feed/index.js';
import { DiskGuard, JsonBody, ProtectionModule } from '../protection/index.js';
import { AccessTokens } from './access-tokens.js';
import { AccountsService } from './accounts.service.js';
import { ApiKeys } from './api-keys.service.js';
import { AuditTrail } from './audit-trail.js';
import { AuthGuard } from './auth.guard.js';
import { AuthService } from './auth.service.js';
import { KnownNetworks } from './known-networks.js';
import { LongLivedAccess } from './long-lived-access.js';
import { SmtpMailer } from './drivers/smtp.driver.js';
import { LoginThrottle } from './login-throttle.js';
import { MAILER } from './mailer.js';
import { OneTimeTokens } from './one-time-tokens.js';
import { PasswordResets } from './password-resets.js';
import { RegistrationCaps } from './registration-caps.js';
import { RequestLimits } from './request-limits.js';
import { Revocations } from './revocations.js';
import { Sessions } from './sessions.js';
import { YoungAccounts } from './young-accounts.js';

@Module({
  imports: [
    FeedModule,
    ProtectionModule,
    JwtModule.registerAsync({
      inject: [AuthConfig],
      useFactory: ({ jwtSecret }: AuthConfig) => {
        // A key object, not the text: with a text every verification first tries to parse it as a public key (0.7 ms
        // instead of 14 µs).
        const secret = createSecretKey(Buffer.from(jwtSecret));
        return {
          secret,
          signOptions: { algorithm: 'HS256' },
          verifyOptions: { algorithms: ['HS256'] },
        };
      },
    }),
  ],
  providers: [
    AccessTokens,
    AccountsService,
    ApiKeys,
    AuditTrail,
    AuthService,
    KnownNetworks,
    LongLivedAccess,
    LoginThrottle,
    OneTimeTokens,
    PasswordResets,
    {
      provide: MAILER,
      inject: [MailConfig],
      useFactory: ({ smtpUrl, from }: MailConfig) => (smtpUrl ? new SmtpMailer(smtpUrl, from) : null),
    },
    RegistrationCaps,
    RequestLimits,
    Revocations,
    Sessions,
    YoungAccounts,
    { provide: APP_GUARD, useClass: AuthGuard },
    // Guards run in this order: a body is read once its caller is known.
    { provide: APP_GUARD, useClass: DiskGuard },
    { provide: APP_GUARD, useClass: JsonBody },
  ],
  exports: [
    AccountsService,
    AuthService,
    AccessTokens,
    ApiKeys,
    AuditTrail,
    LongLivedAccess,
    OneTimeTokens,
    PasswordResets,
    RequestLimits,
    Sessions,
    YoungAccounts,
  ],
})
export class AuthModule {}
