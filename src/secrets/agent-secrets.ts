import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { AgentService, noSuchAgent } from '../agents/index.js';
import { AuditTrail, type AuditType, type Caller } from '../auth/index.js';
import { AppError, notFound } from '../common/app-error.js';
import { SecretsConfig } from '../config/index.js';
import { SecretBox, secretsKeyMissing, type SecretPlace } from './secret-box.js';
import type { SecretDto } from './secrets.dto.js';

/** Most secrets of one agent. */
const MAX_SECRETS = 32;
/** Secrets that are encrypted again at a time. */
const BATCH = 100;

/** A secret that is about to be sent to its host. */
export interface RevealedSecret {
  name: string;
  host: string;
  value: string;
}

/**
 * Secrets that owners keep for their agents. They are write-only: values leave this module towards egress alone, and no
 * error, log line or audit entry holds one.
 */
@Injectable()
export class AgentSecrets implements OnApplicationBootstrap {
  private readonly logger = new Logger('Secrets');
  /** Unset: the operator must set a key first. */
  private readonly box?: SecretBox;

  constructor(
    private readonly database: DataSource,
    private readonly agents: AgentService,
    private readonly audit: AuditTrail,
    { key, previousKeys }: SecretsConfig,
  ) {
    this.box = key === undefined ? undefined : new SecretBox(key, previousKeys);
  }

  /** Encrypts secrets of previous keys with the newest one, and warns of secrets that cannot be read. */
  async onApplicationBootstrap(): Promise<void> {
    const renewed = await this.renew();
    if (renewed > 0) this.logger.log(`${renewed} secrets of agents are encrypted with the new SECRETS_KEY now`);
    const [{ unreadable }] = await this.database.query<{ unreadable: number }[]>(
      'SELECT count(*)::int AS unreadable FROM agent_secrets WHERE key_id <> ALL ($1::text[])',
      [this.box?.keyIds ?? []],
    );
    if (unreadable === 0) return;
    this.logger.warn(
      `${unreadable} secrets of agents cannot be read: put the key they were encrypted with into SECRETS_KEY or SECRETS_KEY_PREVIOUS`,
    );
  }

  /** Sets or replaces a secret. @throws AppError `not_found`, `forbidden` `QUOTA_EXCEEDED`, `unavailable` `SECRETS_KEY_MISSING` */
  async set(
    caller: Caller,
    reference: string,
    name: string,
    { host, value }: Omit<RevealedSecret, 'name'>,
  ): Promise<SecretDto> {
    const agentId = await this.idOfOwn(caller, reference);
    const { keyId, sealed } = this.expectBox().seal(value, [agentId, name, host]);
    return this.database.transaction(async (transaction) => {
      await lockAgent(transaction, agentId, reference);
      const [{ others }] = await transaction.query<{ others: number }[]>(
        'SELECT count(*)::int AS others FROM agent_secrets WHERE agent_id = $1 AND name <> $2',
        [agentId, name],
      );
      if (others >= MAX_SECRETS) {
        throw new AppError(
          'forbidden',
          'QUOTA_EXCEEDED',
          `An agent has at most ${MAX_SECRETS} secrets: delete one first.`,
        );
      }
      const [row] = await transaction.query<SecretRow[]>(
        `INSERT INTO agent_secrets (agent_id, name, host, key_id, sealed) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (agent_id, name) DO UPDATE
           SET host = excluded.host, key_id = excluded.key_id, sealed = excluded.sealed, set_at = now()
         RETURNING name, host, set_at`,
        [agentId, name, host, keyId, sealed],
      );
      await this.record(transaction, 'secret.set', caller, { agent_id: agentId, name, host });
      return present(row);
    });
  }

  /** In the order of their names; never with their values. @throws AppError `not_found` */
  async list(caller: Caller, reference: string): Promise<SecretDto[]> {
    const rows = await this.database.query<SecretRow[]>(
      'SELECT name, host, set_at FROM agent_secrets WHERE agent_id = $1 ORDER BY name COLLATE "C"',
      [await this.idOfOwn(caller, reference)],
    );
    return rows.map(present);
  }

  /** @throws AppError `not_found` */
  async remove(caller: Caller, reference: string, name: string): Promise<void> {
    const agentId = await this.idOfOwn(caller, reference);
    await this.database.transaction(async (transaction) => {
      const text = 'DELETE FROM agent_secrets WHERE agent_id = $1 AND name = $2';
      const [, affected] = await transaction.query<[unknown, number]>(text, [agentId, name]);
      if (affected === 0) throw notFound('secret');
      await this.record(transaction, 'secret.deleted', caller, { agent_id: agentId, name });
    });
  }

  /**
   * The secrets of an agent that a call of it names.
   * @returns those of `names` that there are
   * @throws AppError `unavailable` `SECRETS_UNAVAILABLE` when one of them cannot be read
   */
  async reveal(agentId: string, names: readonly string[]): Promise<RevealedSecret[]> {
    const rows = await this.database.query<SealedRow[]>(
      `SELECT ${SEALED} FROM agent_secrets WHERE agent_id = $1 AND name = ANY ($2)`,
      [agentId, names],
    );
    return rows.map(({ name, host, ...row }) => {
      const value = this.box?.open({ keyId: row.key_id, sealed: row.sealed }, [agentId, name, host]);
      if (value !== undefined) return { name, host, value };
      this.logger.error(`The secret ${name} of agent ${agentId} cannot be read: check SECRETS_KEY`);
      throw new AppError(
        'unavailable',
        'SECRETS_UNAVAILABLE',
        `The secret ${name} cannot be read. Its owner must set it again.`,
      );
    });
  }

  /** @returns how many secrets were encrypted again */
  private async renew(): Promise<number> {
    const { box } = this;
    const previous = box?.keyIds.slice(1) ?? [];
    if (!box || previous.length === 0) return 0;
    let renewed = 0;
    for (let after = ['00000000-0000-0000-0000-000000000000', '']; ;) {
      const rows = await this.database.query<SealedRow[]>(
        `SELECT ${SEALED} FROM agent_secrets
          WHERE key_id = ANY ($1) AND (agent_id, name) > ($2::uuid, $3) ORDER BY agent_id, name LIMIT ${BATCH}`,
        [previous, ...after],
      );
      for (const row of rows) renewed += await this.renewOne(box, row);
      const last = rows.at(-1);
      if (!last) return renewed;
      after = [last.agent_id, last.name];
    }
  }

  /** Changes nothing when the owner sets the secret meanwhile. @returns how many rows were changed */
  private async renewOne(box: SecretBox, { agent_id, name, host, key_id, sealed }: SealedRow): Promise<number> {
    const place: SecretPlace = [agent_id, name, host];
    const value = box.open({ keyId: key_id, sealed }, place);
    if (value === undefined) return 0;
    const again = box.seal(value, place);
    const [, affected] = await this.database.query<[unknown, number]>(
      'UPDATE agent_secrets SET key_id = $3, sealed = $4 WHERE agent_id = $1 AND name = $2 AND sealed = $5',
      [agent_id, name, again.keyId, again.sealed, sealed],
    );
    return affected;
  }

  private expectBox(): SecretBox {
    if (this.box) return this.box;
    throw secretsKeyMissing();
  }

  /** Admins, too, leave the secrets of others alone. */
  private async idOfOwn(caller: Caller, reference: string): Promise<string> {
    const agent = await this.agents.find(caller, reference);
    if (!agent || agent.ownerId !== caller.id) throw noSuchAgent(reference);
    return agent.id;
  }

  private record(
    transaction: EntityManager,
    type: AuditType,
    by: Caller,
    details: Record<string, string>,
  ): Promise<void> {
    return this.audit.record({ type, by, subjectId: by.id, details }, transaction);
  }
}

/** Orders changes of one agent's secrets, so that their count is exact. A retired agent gets none. */
async function lockAgent(transaction: EntityManager, agentId: string, reference: string): Promise<void> {
  const text = `SELECT FROM agents WHERE id = $1 AND status <> 'retired' FOR NO KEY UPDATE`;
  const rows = await transaction.query<unknown[]>(text, [agentId]);
  if (rows.length === 0) throw noSuchAgent(reference);
}

interface SecretRow {
  name: string;
  host: string;
  set_at: Date;
}

interface SealedRow {
  agent_id: string;
  name: string;
  host: string;
  key_id: string;
  sealed: Buffer;
}

const SEALED = 'agent_id, name, host, key_id, sealed';

const present = ({ name, host, set_at }: SecretRow): SecretDto => ({ name, host, set_at: set_at.toISOString() });
