import { z } from 'zod';
import type { HostCallConfig } from '../config/index.js';
import type { AgentState, PutOutcome, StateEntry, StateKey } from '../host-calls/index.js';
import { UsageError } from './command.js';

const saved = z.strictObject({
  /** The last revision that was given out. */
  revision: z.int().min(0),
  entries: z.array(
    z.strictObject({
      key: z.string(),
      value: z.unknown(),
      revision: z.int().min(1),
      expires_at: z.iso.datetime().nullable(),
    }),
  ),
});

/** The state of the one agent that runs here, in memory, by the rules of the server's. */
export class LocalState implements Pick<AgentState, 'get' | 'put' | 'delete' | 'list'> {
  private readonly entries = new Map<string, StateEntry>();
  private revision = 0;

  constructor(private readonly limits: HostCallConfig['state']) {}

  /** Takes over what `toJSON` of an earlier run gave. @throws UsageError that names the member at fault */
  load(document: unknown): void {
    const parsed = saved.safeParse(document);
    if (!parsed.success) {
      const [{ path, message }] = parsed.error.issues;
      throw new UsageError(`--state: ${path.join('.') || 'the file'}: ${message}`);
    }
    this.revision = parsed.data.revision;
    for (const { key, value, revision, expires_at } of parsed.data.entries) {
      this.set(key, JSON.stringify(value ?? null), revision, expires_at === null ? null : new Date(expires_at));
    }
  }

  toJSON(): z.infer<typeof saved> {
    this.expire();
    const entries = this.sorted().map(({ key, value, revision, expiresAt }) => ({
      ...{ key, value: JSON.parse(value) as unknown, revision },
      expires_at: expiresAt?.toISOString() ?? null,
    }));
    return { revision: this.revision, entries };
  }

  async get(_agentId: string, key: string): Promise<StateEntry | null> {
    this.expire();
    return this.entries.get(key) ?? null;
  }

  async put(_agentId: string, key: string, value: string, expected?: number, ttlMs?: number): Promise<PutOutcome> {
    this.expire();
    const old = this.entries.get(key);
    const current = old?.revision ?? 0;
    if (expected !== undefined && expected !== current) return { outcome: 'conflict', revision: current };
    const bytes = [...this.entries.values()].reduce((sum, entry) => sum + entry.bytes, 0);
    const more = sizeOf(key, value) - (old?.bytes ?? 0);
    if (this.entries.size + (old ? 0 : 1) > this.limits.entries || bytes + more > this.limits.bytes) {
      return { outcome: 'full', revision: current };
    }
    this.set(key, value, ++this.revision, ttlMs === undefined ? null : new Date(Date.now() + ttlMs));
    return { outcome: 'written', revision: this.revision };
  }

  async delete(_agentId: string, key: string): Promise<boolean> {
    this.expire();
    return this.entries.delete(key);
  }

  async list(_agentId: string, prefix: string, after: string, limit: number): Promise<StateKey[]> {
    this.expire();
    return this.sorted()
      .filter(({ key }) => key.startsWith(prefix) && compare(key, after) > 0)
      .slice(0, limit);
  }

  private set(key: string, value: string, revision: number, expiresAt: Date | null): void {
    this.entries.set(key, { key, value, revision, bytes: sizeOf(key, value), updatedAt: new Date(), expiresAt });
  }

  private expire(): void {
    for (const { key, expiresAt } of this.entries.values()) {
      if (expiresAt && expiresAt.getTime() <= Date.now()) this.entries.delete(key);
    }
  }

  private sorted(): StateEntry[] {
    return [...this.entries.values()].sort((a, b) => compare(a.key, b.key));
  }
}

const sizeOf = (key: string, value: string): number => Buffer.byteLength(key) + Buffer.byteLength(value);
const compare = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
