import { createHmac, timingSafeEqual } from 'node:crypto';
import { isId } from '../common/ids.js';

/** A refresh token of a session, and which in the session's row of them. */
export interface RefreshToken {
  sessionId: string;
  generation: number;
}

/**
 * Refresh tokens are derived, not stored: `zsr_<session>.<generation>.<HMAC-SHA-256 of both>`. The session's row holds the
 * number of the current generation only, so a stolen database refreshes nothing; a token of an older generation is
 * known for genuine, which tells reuse from garbage; and an answer that was lost can be given again word for word.
 */
export class RefreshTokens {
  private readonly key: Buffer;

  constructor(secret: string) {
    this.key = createHmac('sha256', secret).update('zerostate refresh tokens').digest();
  }

  write({ sessionId, generation }: RefreshToken): string {
    const body = `${sessionId}.${generation}`;
    return `zsr_${body}.${this.mac(body).toString('base64url')}`;
  }

  /** @returns undefined if this server did not issue it */
  read(text: string): RefreshToken | undefined {
    const [, sessionId, number, mac] = /^zsr_([0-9a-f-]{36})\.(\d{1,9})\.([\w-]{43})$/.exec(text) ?? [];
    if (!mac || !isId(sessionId)) return undefined;
    const given = Buffer.from(mac, 'base64url');
    if (!timingSafeEqual(given, this.mac(`${sessionId}.${number}`))) return undefined;
    return { sessionId, generation: Number(number) };
  }

  private mac(body: string): Buffer {
    return createHmac('sha256', this.key).update(body).digest();
  }
}
