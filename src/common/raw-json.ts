import { randomUUID } from 'node:crypto';
import { jsonElements, jsonMembers } from './json-text.js';

/**
 * A JSON document as the text that came from outside. It is checked once, on its way in, and from then on only copied: numbers
 * beyond 2^53, `1.0`, `-0`, duplicate keys and the order of members stay as they are.
 *
 * `stringify` embeds it unparsed. Node.js 20 has no `JSON.rawJSON`, and that of later versions takes primitives alone.
 */
export class RawJson {
  /** @param text one valid JSON document; not checked here */
  constructor(readonly text: string) {}

  /** The document of a value that was made in this process. */
  static of(value: unknown): RawJson {
    return new RawJson(JSON.stringify(value));
  }

  get isNull(): boolean {
    return this.text.trim() === 'null';
  }

  /** Members of an object, the last of each name; undefined for anything else. */
  members(): Map<string, RawJson> | undefined {
    const members = jsonMembers(this.text);
    return members && new Map([...members].map(([name, text]) => [name, new RawJson(text)]));
  }

  /** Elements of an array; undefined for anything else. */
  elements(): RawJson[] | undefined {
    return jsonElements(this.text)?.map((text) => new RawJson(text));
  }

  /** As JavaScript reads it, with what that loses. */
  parse(): unknown {
    return JSON.parse(this.text);
  }

  /** Called by `JSON.stringify`: a mark inside `embedding`, the parsed value elsewhere. */
  toJSON(): unknown {
    if (!embedded) return this.parse();
    return MARK + (embedded.push(this.text) - 1);
  }
}

/** Texts that the marks of the serialisation under way stand for, by number; undefined when none is under way. */
let embedded: string[] | undefined;
/** Unguessable and never sent, so no string from outside can be taken for a mark. */
const MARK = `raw-json-${randomUUID()}-`;
const QUOTED_MARK = new RegExp(`"${MARK}(\\d+)"`, 'g');

/** As `JSON.stringify`, with every `RawJson` inside as its own text. */
export const stringify = (value: unknown): string => embedding(() => JSON.stringify(value));

/**
 * For serialisers of others, which call `JSON.stringify` themselves.
 * @param serialise answers synchronously
 */
export function embedding(serialise: () => string): string {
  const outer = embedded;
  const texts: string[] = (embedded = []);
  try {
    const text = serialise();
    return texts.length === 0 ? text : text.replace(QUOTED_MARK, (_, index: string) => texts[Number(index)]);
  } finally {
    embedded = outer;
  }
}
