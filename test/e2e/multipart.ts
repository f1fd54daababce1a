import { randomBytes } from 'node:crypto';

/** One part of a form. */
export interface Part {
  name: string;
  value: string | Uint8Array;
  /** Makes it a file. */
  filename?: string;
}

/** A multipart body, written by hand so that a test can order, repeat and break its parts. */
export function multipart(parts: Part[]): { body: Buffer<ArrayBuffer>; contentType: string } {
  const boundary = `----test-${randomBytes(8).toString('hex')}`;
  const pieces = parts.flatMap(({ name, value, filename }) => [
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"`,
    filename === undefined ? '' : `; filename="${filename}"\r\nContent-Type: application/wasm`,
    '\r\n\r\n',
    value,
    '\r\n',
  ]);
  const body = Buffer.concat([...pieces, `--${boundary}--\r\n`].map((piece) => Buffer.from(piece as string)));
  return { body, contentType: `multipart/form-data; boundary=${boundary}` };
}

export const field = (name: string, value: string): Part => ({ name, value });
export const file = (value: Uint8Array, name = 'wasm_binary'): Part => ({ name, value, filename: 'agent.wasm' });
