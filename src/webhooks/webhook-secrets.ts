import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { SecretsConfig } from '../config/index.js';
import { type SealedSecret, SecretBox, secretsKeyMissing } from '../secrets/index.js';

/** Encrypts the secrets of webhooks. They are shown once, when they are made. */
@Injectable()
export class WebhookSecrets implements OnApplicationBootstrap {
  private readonly logger = new Logger('Webhooks');
  /** Unset: the operator must set a key first. */
  private readonly box?: SecretBox;

  constructor(
    private readonly database: DataSource,
    { key, previousKeys }: SecretsConfig,
  ) {
    this.box = key === undefined ? undefined : new SecretBox(key, previousKeys);
  }

  /** Encrypts secrets of previous keys with the newest one. */
  async onApplicationBootstrap(): Promise<void> {
    const [, ...previous] = this.box?.keyIds ?? [];
    if (previous.length === 0) return;
    const rows = await this.database.query<{ id: string; key_id: string; sealed: Buffer }[]>(
      'SELECT id, key_id, sealed FROM webhooks WHERE key_id = ANY ($1)',
      [previous],
    );
    for (const { id, key_id, sealed } of rows) {
      const secret = this.open(id, { keyId: key_id, sealed });
      if (secret === undefined) continue;
      const again = this.seal(id, secret);
      await this.database.query('UPDATE webhooks SET key_id = $2, sealed = $3 WHERE id = $1 AND sealed = $4', [
        ...[id, again.keyId, again.sealed, sealed],
      ]);
    }
    if (rows.length > 0) this.logger.log(`${rows.length} secrets of webhooks were encrypted with another SECRETS_KEY`);
  }

  /** @throws AppError `unavailable` `SECRETS_KEY_MISSING` */
  seal(webhookId: string, secret: string): SealedSecret {
    if (!this.box) throw secretsKeyMissing();
    return this.box.seal(secret, placeOf(webhookId));
  }

  /** @returns undefined when its key is gone */
  open(webhookId: string, sealed: SealedSecret): string | undefined {
    return this.box?.open(sealed, placeOf(webhookId));
  }
}

const placeOf = (webhookId: string): string[] => ['webhook', webhookId];
