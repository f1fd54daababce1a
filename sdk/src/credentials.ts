import type { Schemas } from './api-types.js';
import { ApiError, ZeroStateError } from './errors.js';

/** A login: an access token of some minutes, and the refresh token that gives the next one. */
export interface Tokens {
  accessToken: string;
  refreshToken: string;
}

/** Keeps tokens outside this process. Several processes may share one store. */
export interface TokenStore {
  load(): Promise<Tokens | undefined>;
  save(tokens: Tokens): Promise<void>;
}

/**
 * Who sends requests: an API key, a login that is refreshed by itself (its tokens, a store of them, or email and
 * password), or a function that gives an access token. Without any, only public routes answer.
 */
export type Credentials =
  | { apiKey: string }
  | { tokens: Tokens; onTokens?: (tokens: Tokens) => void }
  | { store: TokenStore }
  | { email: string; password: string }
  | { accessToken: () => string | Promise<string> };

/** Sends a request without credentials. @throws ApiError, ConnectionError */
export type Post = (path: '/auth/login' | '/auth/refresh', body: object) => Promise<Schemas['SessionDto']>;

/** An access token is renewed this long before it expires, ms. */
const EARLY_MS = 20_000;

/** Gives the bearer token of each request. All requests share one renewal: a refresh token is good once. */
export class Authorisation {
  private tokens: Tokens | undefined;
  private renewal: Promise<string> | undefined;

  constructor(
    private readonly credentials: Credentials | undefined,
    private readonly post: Post,
  ) {
    if (credentials && 'tokens' in credentials) this.tokens = credentials.tokens;
  }

  /** @returns undefined without credentials. @throws ApiError when the login has ended */
  async token(): Promise<string | undefined> {
    const { credentials } = this;
    if (!credentials) return undefined;
    if ('apiKey' in credentials) return credentials.apiKey;
    if ('accessToken' in credentials) return credentials.accessToken();
    if (!this.tokens && 'store' in credentials) this.tokens = await credentials.store.load();
    if (this.tokens && !expiresWithin(this.tokens.accessToken, EARLY_MS)) return this.tokens.accessToken;
    return this.renew();
  }

  /**
   * Replaces a token that the server refused.
   * @returns undefined where there is no other one. @throws ApiError when the login has ended
   */
  async replace(refused: string | undefined): Promise<string | undefined> {
    const { credentials } = this;
    if (!credentials || 'apiKey' in credentials) return undefined;
    if ('accessToken' in credentials) {
      const token = await credentials.accessToken();
      return token === refused ? undefined : token;
    }
    if (this.tokens && this.tokens.accessToken !== refused) return this.tokens.accessToken;
    return this.renew();
  }

  private renew(): Promise<string> {
    this.renewal ??= this.requestTokens().finally(() => (this.renewal = undefined));
    return this.renewal;
  }

  private async requestTokens(): Promise<string> {
    const credentials = this.credentials!;
    if ('store' in credentials) {
      // Another process may have renewed them meanwhile.
      const stored = await credentials.store.load();
      const isNewer = stored && stored.refreshToken !== this.tokens?.refreshToken;
      this.tokens = stored;
      if (isNewer && !expiresWithin(stored.accessToken, EARLY_MS)) return stored.accessToken;
    }
    const session = await this.session();
    this.tokens = { accessToken: session.access_token, refreshToken: session.refresh_token };
    if ('store' in credentials) await credentials.store.save(this.tokens);
    if ('onTokens' in credentials) credentials.onTokens?.(this.tokens);
    return this.tokens.accessToken;
  }

  private async session(): Promise<Schemas['SessionDto']> {
    const credentials = this.credentials!;
    const login = 'email' in credentials ? { email: credentials.email, password: credentials.password } : undefined;
    if (this.tokens) {
      try {
        return await this.post('/auth/refresh', { refresh_token: this.tokens.refreshToken });
      } catch (error) {
        if (!login || !(error instanceof ApiError && error.status === 401)) throw error;
      }
    }
    if (!login) throw new ZeroStateError('SIGNED_OUT', 'There is no login. Log in first.');
    return this.post('/auth/login', login);
  }
}

/** A token that cannot be read counts as good: the server decides. */
function expiresWithin(token: string, ms: number): boolean {
  try {
    const payload = atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'));
    return (JSON.parse(payload) as { exp: number }).exp * 1000 < Date.now() + ms;
  } catch {
    return false;
  }
}
