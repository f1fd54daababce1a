import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';

/** The checked-in document of the feed's messages. */
export const readAsyncApi = async (): Promise<any> =>
  JSON.parse(await readFile(fileURLToPath(new URL('../../../docs/asyncapi.json', import.meta.url)), 'utf8'));

/** @returns what is wrong with a payload, by the document's schema of the message; empty when nothing is */
export async function payloadFaults(): Promise<(message: string, payload: unknown) => object[]> {
  const ajv = formats.default(new Ajv({ strict: false }).addSchema(await readAsyncApi(), 'asyncapi'));
  return (message, payload) => {
    const valid = ajv.validate({ $ref: `asyncapi#/components/messages/${message}/payload` }, payload);
    return valid ? [] : (ajv.errors ?? []);
  };
}
