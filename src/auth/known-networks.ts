import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { addressKey } from '../protection/index.js';

/** Number of networks remembered per account: those of the latest logins. */
const MOST = 50;
/** How long a network without a login stays known, days. */
const DAYS = 180;

/** The networks from which accounts have logged in, to tell their logins from a stranger's. */
@Injectable()
export class KnownNetworks {
  constructor(private readonly database: DataSource) {}

  /** Whether the account with this email, should there be one, has logged in from there. */
  async includes(email: string, address: string | undefined): Promise<boolean> {
    const rows = await this.database.query<unknown[]>(
      `SELECT FROM known_networks JOIN users ON users.id = user_id
        WHERE email = $1 AND network = $2 AND seen_at > now() - $3 * interval '1 day'`,
      [email, addressKey(address), DAYS],
    );
    return rows.length > 0;
  }

  /** Remembers a login, in its transaction. */
  async remember(userId: string, address: string | undefined, transaction: EntityManager): Promise<void> {
    if (!address) return;
    const written = await transaction.query<unknown[]>(
      `INSERT INTO known_networks AS known (user_id, network) VALUES ($1, $2)
       ON CONFLICT (user_id, network) DO UPDATE SET seen_at = now() WHERE known.seen_at < now() - interval '1 day'
       RETURNING 1`,
      [userId, addressKey(address)],
    );
    if (written.length === 0) return;
    await transaction.query(
      `DELETE FROM known_networks
        WHERE user_id = $1
          AND network NOT IN (SELECT network FROM known_networks
                               WHERE user_id = $1 AND seen_at > now() - $3 * interval '1 day'
                               ORDER BY seen_at DESC LIMIT $2)`,
      [userId, MOST, DAYS],
    );
  }
}
