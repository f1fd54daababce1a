import { trap } from '../component/faults.js';
import type { Case } from '../component/value-type.js';
import { done, failed } from './http-types.js';
import { ok } from './streams.js';

/** Bytes of one set of fields, and of all sets that a run makes. */
const MOST_BYTES = 65_536;
const MOST_BYTES_OF_RUN = 32 * 1024 * 1024;
/** What an entry costs beside its name and value. */
const ENTRY_BYTES = 32;

/** Counts the bytes of all fields of a run. Dropped fields still count: no program needs more. */
export class FieldBytes {
  private taken = 0;

  take(bytes: number): void {
    this.taken += bytes;
    if (this.taken > MOST_BYTES_OF_RUN) trap(`fields of HTTP take more than ${MOST_BYTES_OF_RUN} bytes in one run`);
  }
}
/** Fields of the connection, which the host sets itself. */
const FORBIDDEN =
  /^(connection|keep-alive|host|http2-settings|proxy-authenticate|proxy-authorization|proxy-connection|transfer-encoding|upgrade)$/;
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

const [INVALID_SYNTAX, FORBIDDEN_NAME, IMMUTABLE]: Case[] = [0, 1, 2].map((index) => failed({ case: index }));

type Entry = [name: string, value: Uint8Array];

/** `fields`: headers in their order. Names are in lower case; values are any bytes but line breaks and NUL. */
export class Fields {
  private entries: Entry[] = [];
  private bytes = 0;
  /** Once they belong to a request or a response. */
  private frozen = false;

  constructor(private readonly total: FieldBytes) {}

  /** @returns a result: the fields, or why an entry cannot be one */
  static fromList(total: FieldBytes, entries: Entry[]): Case {
    const fields = new Fields(total);
    for (const [name, value] of entries) {
      const added = fields.append(name, value);
      if (added.case !== 0) return added;
    }
    return ok(fields);
  }

  /** Those of a response. */
  static received(total: FieldBytes, headers: Record<string, string>): Fields {
    const fields = new Fields(total);
    fields.entries = Object.entries(headers).map(([name, value]) => [name, Buffer.from(value, 'latin1')]);
    return fields.freeze();
  }

  freeze(): this {
    this.frozen = true;
    return this;
  }

  /** By name, several values of one name joined as HTTP does. */
  toRecord(): Record<string, string> {
    const record = Object.create(null) as Record<string, string>;
    for (const [name, value] of this.entries) {
      const text = Buffer.from(value).toString('latin1');
      record[name] = name in record ? `${record[name]}, ${text}` : text;
    }
    return record;
  }

  get(name: string): Uint8Array[] {
    const wanted = name.toLowerCase();
    return this.entries.filter(([one]) => one === wanted).map(([, value]) => value);
  }

  has(name: string): boolean {
    return this.get(name).length > 0;
  }

  set(name: string, values: Uint8Array[]): Case {
    const deleted = this.delete(name);
    if (deleted.case !== 0) return deleted;
    return values.map((value) => this.append(name, value)).find((one) => one.case !== 0) ?? done;
  }

  delete(name: string): Case {
    const wanted = name.toLowerCase();
    if (this.frozen) return IMMUTABLE;
    if (!NAME.test(wanted)) return INVALID_SYNTAX;
    this.entries = this.entries.filter(([one]) => one !== wanted);
    return done;
  }

  append(given: string, value: Uint8Array): Case {
    const name = given.toLowerCase();
    if (this.frozen) return IMMUTABLE;
    if (!NAME.test(name) || value.some((byte) => byte === 0 || byte === 10 || byte === 13)) return INVALID_SYNTAX;
    if (FORBIDDEN.test(name)) return FORBIDDEN_NAME;
    const bytes = name.length + value.length + ENTRY_BYTES;
    this.total.take(bytes);
    // Deleted entries still count. No program needs more in one request.
    this.bytes += bytes;
    if (this.bytes > MOST_BYTES) trap(`fields of HTTP have more than ${MOST_BYTES} bytes`);
    this.entries.push([name, value]);
    return done;
  }

  list(): Entry[] {
    return this.entries;
  }

  clone(): Fields {
    this.total.take(this.bytes);
    const copy = new Fields(this.total);
    copy.entries = [...this.entries];
    copy.bytes = this.bytes;
    return copy;
  }
}
