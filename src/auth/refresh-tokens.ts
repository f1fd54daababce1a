import { isId } from '../common/ids.js';
import { Signer } from '../common/signer.js';

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
  private readonly signer: Signer;

  constructor(secret: string) {
    this.signer = new Signer(secret, 'zerostate refresh tokens');
  }

  write({ sessionId, generation }: RefreshToken): string {
    const body = `${sessionId}.${generation}`;
    return `zsr_${body}.${this.signer.sign(body)}`;
  }

  /** @returns undefined if this server did not issue it */
  read(text: string): RefreshToken | undefined {
    const [, sessionId, number, signature] = /^zsr_([0-9a-f-]{36})\.(\d{1,9})\.([\w-]{43})$/.exec(text) ?? [];
    if (!signature || !isId(sessionId)) return undefined;
    if (!this.signer.isGood(`${sessionId}.${number}`, signature)) return undefined;
    return { sessionId, generation: Number(number) };
  }
}
