import { Injectable, Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { DataSource } from 'typeorm';
import { Schema } from '../contracts/index.js';

/** What a version declares of its inputs and outputs. */
export interface VersionContract {
  input: Schema | null;
  output: Schema | null;
}

/** Bytes of schema text whose interpreted form is kept in memory. */
const MAX_CACHED_BYTES = 8 * 1024 * 1024;
const PAGE = 200;

/** The schemas of versions, read when an auction or an attempt first needs them. Versions never change. */
@Injectable()
export class VersionContracts {
  private readonly logger = new Logger('Contracts');
  private readonly cache = new LRUCache<string, VersionContract>({ maxSize: MAX_CACHED_BYTES });

  constructor(private readonly database: DataSource) {}

  async of(versionId: string): Promise<VersionContract> {
    return (await this.ofAll([versionId])).get(versionId) ?? NONE;
  }

  async ofAll(versionIds: readonly string[]): Promise<ReadonlyMap<string, VersionContract>> {
    const found = new Map<string, VersionContract>();
    const missing: string[] = [];
    for (const id of versionIds) {
      const known = this.cache.get(id);
      if (known) found.set(id, known);
      else missing.push(id);
    }
    for (let at = 0; at < missing.length; at += PAGE) {
      const rows = await this.database.query<ContractRow[]>(CONTRACTS, [missing.slice(at, at + PAGE)]);
      for (const { id, input_schema, output_schema, bytes } of rows) {
        const contract = { input: this.read(id, input_schema), output: this.read(id, output_schema) };
        this.cache.set(id, contract, { size: 500 + bytes });
        found.set(id, contract);
      }
    }
    return found;
  }

  private read(id: string, document: object | null): Schema | null {
    if (document === null) return null;
    try {
      return Schema.read(document);
    } catch (error) {
      // A release that supports less than the one that stored it.
      this.logger.error(`the schema of version ${id} cannot be read: ${(error as Error).message}`);
      return Schema.read({ not: {} });
    }
  }
}

interface ContractRow {
  id: string;
  input_schema: object | null;
  output_schema: object | null;
  bytes: number;
}

const NONE: VersionContract = { input: null, output: null };

const CONTRACTS = `
  SELECT id, input_schema, output_schema,
         coalesce(octet_length(input_schema::text), 0) + coalesce(octet_length(output_schema::text), 0) AS bytes
    FROM agent_binaries
   WHERE id = ANY ($1::uuid[])`;
