import argon2 from 'argon2';

/**
 * argon2id with the second choice of RFC 9106 scaled to OWASP's minimum (19 MiB, two passes): about 20 ms of one core, so that
 * logging in stays affordable on a small machine and guessing stays expensive.
 */
export const PARAMETERS = { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/** @returns PHC string, parameters and salt included */
export const hashPassword = (password: string): Promise<string> => argon2.hash(password, PARAMETERS);

/**
 * @param hash that of the account; undefined when there is none: then it takes as long as a real check, and fails, so that an
 * unknown email answers no faster than a wrong password
 */
export async function verifyPassword(hash: string | undefined, password: string): Promise<boolean> {
  const matches = await argon2.verify(hash ?? NOBODYS, password);
  return hash !== undefined && matches;
}

/** With the parameters of above; of 256 random bits that were not kept. */
export const NOBODYS =
  '$argon2id$v=19$m=19456,p=1,t=2$clODjergaYmTtVFr6CzWzg$ovoLhTr3c5i7MwFHVW+ZxZAXlDAy7DtgBRo9Hg3ksXw';
