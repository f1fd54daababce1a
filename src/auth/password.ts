import argon2 from 'argon2';

/**
 * argon2id with the second choice of RFC 9106 scaled to OWASP's minimum (19 MiB, two passes): about 20 ms of one core, so that
 * logging in stays affordable on a small machine and guessing stays expensive.
 */
const PARAMETERS = { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/** @returns PHC string, parameters and salt included */
export const hashPassword = (password: string): Promise<string> => argon2.hash(password, PARAMETERS);

export const verifyPassword = (hash: string, password: string): Promise<boolean> => argon2.verify(hash, password);

let decoy: Promise<string> | undefined;

/** Takes as long as a real check and always fails: an unknown email answers no faster than a wrong password. */
export async function verifyNothing(password: string): Promise<false> {
  await verifyPassword(await (decoy ??= hashPassword('no such account')), password);
  return false;
}
