import type { Environment } from './environment.js';

/** An environment in which nothing is left open: the database has an address, and there is a secret to sign with. */
export type Installation = Environment & { database: { url: string }; auth: { jwtSecret: string } };
