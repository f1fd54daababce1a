import { ZeroState } from '../../client.js';
import { ApiError, hasCode } from '../../errors.js';
import { type Command } from '../command.js';
import type { Context } from '../context.js';
import { changeProfile, readProfiles, writeProfiles } from '../profiles.js';
import { ask, askSecretly, note, print, standardInput, table } from '../terminal.js';
import { UsageError } from '../usage.js';

const LOCAL = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

export const LOGIN_COMMANDS: Command[] = [
  {
    name: 'login',
    summary: 'Logs in, and keeps the login in a file that only you can read.',
    options: {
      email: { type: 'string', value: 'EMAIL', help: 'the account; asked for when absent' },
      register: { type: 'boolean', help: 'open the account first' },
      'password-stdin': { type: 'boolean', help: 'read the password from standard input' },
      'api-key-stdin': { type: 'boolean', help: 'keep an API key, read from standard input, instead of a login' },
    },
    run: login,
  },
  {
    name: 'logout',
    summary: 'Ends the login of the profile, and forgets it.',
    run: logout,
  },
  {
    name: 'whoami',
    summary: 'Shows which account and which server commands use.',
    run: async (context) => {
      const user = await context.client.request('GET', '/auth/me');
      context.answer({ ...user, profile: context.profileName, url: context.url }, () =>
        [`${user.email} (${user.role})`, `profile ${context.profileName}, ${context.url}`].join('\n'),
      );
    },
  },
  {
    name: 'profiles',
    summary: 'Lists the profiles: servers and logins. * marks the one that commands use.',
    run: async (context) => {
      const { current, profiles } = readProfiles();
      const rows = Object.entries(profiles).map(([name, { url, email, api_key }]) => ({
        ...{ name, url, email: email ?? null, login: api_key ? 'api_key' : 'session', current: name === current },
      }));
      context.answer({ items: rows }, () =>
        table(
          ['', 'profile', 'server', 'account'],
          rows.map((row) => [row.current ? '*' : '', row.name, row.url, row.email ?? 'API key']),
        ),
      );
    },
  },
  {
    name: 'profiles use',
    operands: 'PROFILE',
    summary: 'Makes a profile the one that commands use.',
    run: async ({ operands: [name] }) => {
      const stored = readProfiles();
      if (!stored.profiles[name]) throw new UsageError(`There is no profile "${name}". Log in with --profile ${name}.`);
      writeProfiles({ ...stored, current: name });
      print(`Commands use the profile ${name}.`);
    },
  },
];

async function login(context: Context): Promise<void> {
  const { url, profileName } = context;
  const { hostname, protocol } = new URL(url);
  if (protocol === 'http:' && !LOCAL.test(hostname))
    note(`Warning: ${url} is not encrypted. Others on the way can read the password.`);
  if (context.flag('api-key-stdin')) return keepKey(context, url);
  const email = context.text('email') ?? (await ask('Email: '));
  const password = context.flag('password-stdin') ? await standardInput() : await askSecretly('Password: ');
  const route = context.flag('register') ? '/auth/register' : '/auth/login';
  const session = await new ZeroState({ url }).request('POST', route, { body: { email, password } }).catch(whyNot);
  const { access_token, refresh_token } = session;
  changeProfile(profileName, () => ({ url, email, access_token, refresh_token }));
  context.answer(
    { profile: profileName, url, email },
    () => `Logged in at ${url} as ${email} (profile ${profileName}).`,
  );
}

async function keepKey(context: Context, url: string): Promise<void> {
  const apiKey = await standardInput();
  const user = await new ZeroState({ url, credentials: { apiKey } })
    .request('GET', '/auth/me')
    .catch((error: unknown) => {
      // A key need not have the scope to read the account.
      if (hasCode(error, 'SCOPE_REQUIRED')) return undefined;
      throw error;
    });
  const email = user?.email;
  changeProfile(context.profileName, () => ({ url, api_key: apiKey, ...(email && { email }) }));
  context.answer(
    { profile: context.profileName, url, email: email ?? null },
    () => `The key is kept (profile ${context.profileName}).`,
  );
}

/** A login that fails is not one that has ended, so the advice to log in would be wrong. */
function whyNot(error: unknown): never {
  if (error instanceof ApiError && error.status === 401) throw new Error(`${error.message} (${error.code})`);
  throw error;
}

async function logout(context: Context): Promise<void> {
  const { profileName } = context;
  const profile = readProfiles().profiles[profileName];
  if (!profile) throw new UsageError(`There is no profile "${profileName}".`);
  if (profile.refresh_token) {
    await context.client.request('POST', '/auth/logout').catch((error: unknown) => {
      // The login has ended already.
      if (!(error instanceof ApiError && error.status === 401)) throw error;
    });
  }
  changeProfile(profileName, () => undefined);
  context.answer({ profile: profileName }, () => `Logged out (profile ${profileName}).`);
}
