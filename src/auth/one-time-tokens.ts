import { createHash, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import type { OneTimePurpose } from './one-time-token.entity.js';

/** Tokens that work once, in any process. Only their hashes are stored. */
@Injectable()
export class OneTimeTokens {
  constructor(private readonly database: DataSource) {}

  /** @param seconds how long the token is good @returns the token, which cannot be shown again */
  async issue(
    purpose: OneTimePurpose,
    userId: string,
    seconds: number,
    transaction: EntityManager = this.database.manager,
  ): Promise<string> {
    const token = randomBytes(32).toString('base64url');
    await transaction.query('DELETE FROM one_time_tokens WHERE expires_at < now()');
    await transaction.query(
      `INSERT INTO one_time_tokens (hash, purpose, user_id, expires_at)
       VALUES ($1, $2, $3, now() + $4 * interval '1 second')`,
      [hashOf(token), purpose, userId, seconds],
    );
    return token;
  }

  /** Uses a token up. @returns its user; null if it is wrong, expired or used */
  async spend(
    purpose: OneTimePurpose,
    token: string,
    transaction: EntityManager = this.database.manager,
  ): Promise<string | null> {
    const [rows] = await transaction.query<[{ user_id: string }[], number]>(
      `DELETE FROM one_time_tokens WHERE hash = $1 AND purpose = $2 AND expires_at > now() RETURNING user_id`,
      [hashOf(token), purpose],
    );
    return rows[0]?.user_id ?? null;
  }

  /** Withdraws all of a user's tokens for a purpose. */
  async withdraw(purpose: OneTimePurpose, userId: string, transaction: EntityManager): Promise<void> {
    await transaction.query('DELETE FROM one_time_tokens WHERE user_id = $1 AND purpose = $2', [userId, purpose]);
  }
}

const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');
