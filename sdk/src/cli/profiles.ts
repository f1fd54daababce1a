import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Tokens, TokenStore } from '../credentials.js';
import { UsageError } from './usage.js';

/** One server and one login there. */
export interface Profile {
  url: string;
  email?: string;
  api_key?: string;
  access_token?: string;
  refresh_token?: string;
}

interface Stored {
  current: string;
  profiles: Record<string, Profile>;
}

export const PROFILE_NAME = /^[A-Za-z0-9._-]{1,64}$/;

/** Holds keys and tokens, so only its owner may read it. */
const FILE_MODE = 0o600;

export const profilesFile = (env = process.env): string =>
  join(
    env.ZEROSTATE_CONFIG_DIR ?? join(env.XDG_CONFIG_HOME ?? join(homedir(), '.config'), 'zerostate'),
    'profiles.json',
  );

/** @throws UsageError when the file is damaged */
export function readProfiles(file = profilesFile()): Stored {
  if (!existsSync(file)) return { current: 'default', profiles: {} };
  chmodSync(file, FILE_MODE);
  try {
    const stored = JSON.parse(readFileSync(file, 'utf8')) as Stored;
    if (typeof stored.current === 'string' && stored.profiles && typeof stored.profiles === 'object') return stored;
  } catch {
    // The message below is for both.
  }
  throw new UsageError(`${file} is damaged: repair or delete it, then log in again.`);
}

/** Replaces the file as a whole. */
export function writeProfiles(stored: Stored, file = profilesFile()): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeSecret(file, `${JSON.stringify(stored, null, 2)}\n`);
}

/** Writes a file that its owner alone can read. An interrupted program leaves the old one. */
export function writeSecret(file: string, text: string): void {
  const draft = `${file}.${process.pid}.tmp`;
  writeFileSync(draft, text, { mode: FILE_MODE });
  chmodSync(draft, FILE_MODE);
  renameSync(draft, file);
}

export function changeProfile(name: string, change: (profile: Profile | undefined) => Profile | undefined): void {
  const stored = readProfiles();
  const changed = change(stored.profiles[name]);
  if (changed) stored.profiles[name] = changed;
  else delete stored.profiles[name];
  writeProfiles(stored);
}

/** The tokens of a profile, as the client reads and renews them. */
export const tokensOf = (name: string): TokenStore => ({
  load: async (): Promise<Tokens | undefined> => {
    const { access_token: accessToken, refresh_token: refreshToken } = readProfiles().profiles[name] ?? {};
    return accessToken && refreshToken ? { accessToken, refreshToken } : undefined;
  },
  save: async ({ accessToken, refreshToken }) =>
    changeProfile(name, (profile) => profile && { ...profile, access_token: accessToken, refresh_token: refreshToken }),
});
