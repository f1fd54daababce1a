import { readFileSync } from 'node:fs';
import { ZeroState } from '../client.js';
import { UsageError, type Values } from './usage.js';
import { PROFILE_NAME, readProfiles, tokensOf } from './profiles.js';
import { print, printJson, standardInput } from './terminal.js';

const DEFAULT_URL = 'http://localhost:8080';

/** What a command works with: its operands and options, the server, and the way to answer. */
export class Context {
  private connected: ZeroState | undefined;
  /** Aborts at the first Ctrl-C. */
  readonly signal: AbortSignal;

  constructor(
    readonly operands: string[],
    private readonly values: Values,
    interrupted: AbortController = new AbortController(),
  ) {
    this.signal = interrupted.signal;
  }

  get isJson(): boolean {
    return this.values.json === true;
  }

  text(option: string): string | undefined {
    return this.values[option] as string | undefined;
  }

  flag(option: string): boolean {
    return this.values[option] === true;
  }

  /** Values of an option that may be repeated. */
  texts(option: string): string[] {
    return (this.values[option] as string[] | undefined) ?? [];
  }

  /** As `texts`; each may hold several, separated by commas. */
  list(option: string): string[] | undefined {
    const given = this.values[option] as string[] | undefined;
    return given?.flatMap((value) => value.split(',')).map((value) => value.trim());
  }

  /** @throws UsageError */
  required(option: string): string {
    const value = this.text(option);
    if (value === undefined) throw new UsageError(`--${option} is missing.`);
    return value;
  }

  /** @throws UsageError */
  integer(option: string): number | undefined {
    const value = this.text(option);
    if (value === undefined) return undefined;
    if (!/^\d{1,15}$/.test(value)) throw new UsageError(`--${option} is a whole number, not "${value}".`);
    return Number(value);
  }

  /** JSON given as text, as a file, or as `-` for standard input; unchanged. @throws UsageError */
  async jsonText(option: string): Promise<string | undefined> {
    const value = this.text(option);
    return value === undefined ? undefined : readJsonText(`--${option}`, value);
  }

  /** Answers a program with the value, a person with the text. */
  answer(value: unknown, text: () => string): void {
    if (this.isJson) printJson(value, 2);
    else print(text());
  }

  get profileName(): string {
    const name = this.text('profile') ?? process.env.ZEROSTATE_PROFILE ?? readProfiles().current;
    if (!PROFILE_NAME.test(name)) throw new UsageError('A profile has a name of letters, digits, dots and dashes.');
    return name;
  }

  get url(): string {
    const profile = readProfiles().profiles[this.profileName];
    return checkedUrl(this.text('url') ?? process.env.ZEROSTATE_URL ?? profile?.url ?? DEFAULT_URL);
  }

  /** The server, as the profile's account. A login is never sent to another server than its own. @throws UsageError */
  get client(): ZeroState {
    this.connected ??= this.connect();
    return this.connected;
  }

  private connect(): ZeroState {
    const { url, profileName } = this;
    const apiKey = process.env.ZEROSTATE_API_KEY;
    if (apiKey) return new ZeroState({ url, credentials: { apiKey } });
    const profile = readProfiles().profiles[profileName];
    if (!profile?.api_key && !profile?.refresh_token) return new ZeroState({ url });
    if (new URL(profile.url).origin !== new URL(url).origin)
      throw new UsageError(`The profile "${profileName}" is a login at ${profile.url}, not at ${url}. Use --profile.`);
    const credentials = profile.api_key ? { apiKey: profile.api_key } : { store: tokensOf(profileName) };
    return new ZeroState({ url, credentials });
  }
}

export function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol))
    throw new UsageError(`"${text}" is not an address such as ${DEFAULT_URL}.`);
  return text.replace(/\/+$/, '');
}

/** @param place for messages, such as `--input`. @throws UsageError */
export async function readJson(place: string, value: string): Promise<unknown> {
  return JSON.parse(await readJsonText(place, value)) as unknown;
}

/** @returns the text as it is given, once it is known to be JSON. @throws UsageError */
export async function readJsonText(place: string, value: string): Promise<string> {
  const isJson = /^\s*["[{\d]|^\s*-\d|^\s*(true|false|null)\s*$/.test(value);
  const text = value === '-' ? await standardInput() : isJson ? value : readText(place, value);
  try {
    JSON.parse(text);
    return text;
  } catch (error) {
    throw new UsageError(`${place} is not JSON: ${(error as Error).message}`);
  }
}

/** @throws UsageError */
export function readText(place: string, file: string): string {
  return readBytes(place, file).toString();
}

/** @throws UsageError */
export function readBytes(place: string, file: string): Buffer<ArrayBuffer> {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UsageError(`${place}: ${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
}
