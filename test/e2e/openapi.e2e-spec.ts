import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import spectral from '@stoplight/spectral-core';
import rulesets from '@stoplight/spectral-rulesets';
import { type AnySchema, Ajv } from 'ajv';
import formats from 'ajv-formats';
import { SCOPES } from '../../src/common/access.js';
import { apiReference } from '../support/api-reference.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { api, expectStatus, loginAdmin, registerUser } from '../support/client.js';
import { startServer, type ServerProcess } from '../support/server.js';
import { good } from './agents.js';

const SNAPSHOT = fileURLToPath(new URL('../../../docs/openapi.json', import.meta.url));
const REFERENCE = fileURLToPath(new URL('../../../docs/api.md', import.meta.url));

/** Routes that need no token. */
const PUBLIC = [
  'getLiveness',
  'getReadiness',
  'register',
  'login',
  'refreshSession',
  'registerInBrowser',
  'loginInBrowser',
  'refreshInBrowser',
  'forgotPassword',
  'resetPassword',
  'bringDeposit',
  'downloadBlob',
  'getIpfsContent',
];

/** Statuses that answer a good body whose example names what this server does not have. */
const LACKING: Record<string, number[]> = {
  // The account of the example exists by then.
  createAccount: [409],
  login: [401],
  refreshSession: [401],
  registerInBrowser: [409],
  loginInBrowser: [401],
  changePassword: [422],
  deleteOwnAccount: [422],
  // No mail server is configured.
  forgotPassword: [403],
  resetPassword: [422],
  // The example of a large input names a document.
  submitTask: [422],
  simulateAuction: [422],
  rateTask: [409],
  answerQuestion: [404],
  replaceBinary: [404],
  changeAccount: [404],
  suspendAccount: [404],
  grantCredits: [404],
  correctCredits: [404],
  topUpCredits: [403],
  confirmPayout: [404],
  rejectPayout: [404],
  openDispute: [404],
  answerDispute: [404],
  upholdDispute: [404],
  rejectDispute: [404],
};

type Loose = any;

interface Operation {
  name: string;
  method: string;
  path: string;
  operation: Loose;
}

describe('the OpenAPI document', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let document: Loose;
  let operations: Operation[];

  beforeAll(async () => {
    database = await createTestDatabase();
    server = await startServer({ env: { DATABASE_URL: database.url }, roles: ['api'] });
    document = await (await fetch(`${server.url}/docs-json`)).json();
    operations = Object.entries<Loose>(document.paths).flatMap(([path, methods]) =>
      Object.entries<Loose>(methods).map(([method, operation]) => ({
        name: `${method.toUpperCase()} ${path}`,
        method,
        path,
        operation,
      })),
    );
    expect(operations.length).toBeGreaterThan(20);
  });

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
  });

  it('is served in one form, which costs nothing to write again: everybody may ask for it', async () => {
    const again = await fetch(`${server.url}/docs-json`);
    expect(again.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await again.json()).toEqual(document);
    expect((await fetch(`${server.url}/docs-yaml`)).status).toBe(404);
  });

  // Before what blocks for seconds: the server closes connections that are idle.
  it('is shown by a page whose own scripts its content policy allows, over plain HTTP too', async () => {
    const page = await fetch(`${server.url}/docs`);
    expect(page.status).toBe(200);
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain('upgrade-insecure-requests');
    const html = await page.text();
    const scripts = [...html.matchAll(/<script([^>]*)>([^<]*)<\/script>/g)];
    expect(scripts.length).toBeGreaterThan(0);
    for (const [, attributes, inline] of scripts) {
      expect(inline.trim()).toBe('');
      const source = new URL(/src="([^"]+)"/.exec(attributes)?.[1] ?? '', `${server.url}/docs`);
      expect(source.origin).toBe(server.url);
      expect((await fetch(source)).status).toBe(200);
    }
  });

  it('is the one in docs/openapi.json; UPDATE_SNAPSHOTS=true writes that anew', async () => {
    if (process.env.UPDATE_SNAPSHOTS === 'true') await writeFile(SNAPSHOT, `${JSON.stringify(document, null, 2)}\n`);
    expect(document).toEqual(JSON.parse(await readFile(SNAPSHOT, 'utf8')));
  });

  it('is told in docs/api.md; UPDATE_SNAPSHOTS=true writes that anew', async () => {
    const reference = apiReference(document);
    if (process.env.UPDATE_SNAPSHOTS === 'true') await writeFile(REFERENCE, reference);
    expect(reference).toBe(await readFile(REFERENCE, 'utf8'));
    for (const { method, path } of operations) expect(reference).toContain(`### ${method.toUpperCase()} ${path}\n`);
    const anchors = new Set([...reference.matchAll(/^### (\w+)$/gm)].map(([, name]) => name.toLowerCase()));
    const links = [...reference.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor);
    expect(links.filter((anchor) => !anchors.has(anchor))).toEqual([]);
  });

  it("passes Spectral's recommended rules", async () => {
    const linter = new spectral.Spectral();
    linter.setRuleset({ extends: [[rulesets.oas as never, 'recommended']] });
    const findings = await linter.run(document);
    expect(findings.map(({ code, path, message }) => `${code} ${path.join('.')}: ${message}`)).toEqual([]);
  });

  it('gives every operation a summary, a described tag and a name of its own that reads as what it does', () => {
    const described = document.tags.map((tag: Loose) => tag.description && tag.name);
    expect(
      wrong(({ operation }) => {
        if (!operation.summary) return 'no summary';
        if (!/^[a-z]+([A-Z][a-z]+)*$/.test(operation.operationId)) return operation.operationId;
        return operation.tags.length === 1 && described.includes(operation.tags[0]) ? undefined : operation.tags;
      }),
    ).toEqual([]);
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length);
  });

  it('describes every answer, and shows the schema of each that has a body', () => {
    const empty = ['204', '302', '304'];
    expect(
      wrong(({ operation }) => {
        const answers = Object.entries<Loose>(operation.responses);
        if (!answers.some(([status]) => status.startsWith('2'))) return 'no success';
        return answers.flatMap(([status, { description, content }]) => {
          if (!description) return `${status} without a description`;
          if (empty.includes(status)) return content ? `${status} with a body` : [];
          const schemas = Object.values<Loose>(content ?? {}).map(({ schema }) => schema);
          return schemas.length > 0 && schemas.every(saysSomething) ? [] : `${status} without a schema`;
        });
      }),
    ).toEqual([]);
  });

  it('shows every refusal as a problem document with an example of that status', () => {
    expect(
      wrong(({ operation }) =>
        Object.entries<Loose>(operation.responses)
          .filter(([status]) => /^[45]/.test(status))
          .filter(([status, { content }]) => {
            // What is away, to whoever asks for just that.
            if (operation.operationId === 'getReadiness' && status === '503') return false;
            const { schema, example } = content['application/problem+json'] ?? {};
            return !JSON.stringify(schema ?? '').includes('/schemas/Problem"') || example?.status !== Number(status);
          })
          .map(([status]) => status),
      ),
    ).toEqual([]);
  });

  it('asks for the bearer token everywhere but on public routes, and says that it may be refused', () => {
    expect(
      wrong(({ operation }) => {
        // An empty list, not none: the document as a whole could ask for something.
        if (PUBLIC.includes(operation.operationId)) return operation.security?.length === 0 ? undefined : 'not open';
        const asks = (operation.security ?? []).flatMap(Object.keys);
        return asks.includes('bearer') && operation.responses[401] ? undefined : 'asks for no token';
      }),
    ).toEqual([]);
    expect(document.components.securitySchemes.bearer).toMatchObject({ type: 'http', scheme: 'bearer' });
  });

  it('says of every operation that the client may be too fast, and the server at fault or too busy', () => {
    expect(wrong(({ operation }) => [429, 500, 503].filter((status) => !operation.responses[status]))).toEqual([]);
  });

  it('declares a policy for every operation, and lets none that changes something be called with a scope to read', () => {
    const policies = ['public', 'session', ...SCOPES];
    expect(
      wrong(({ operation, method }) => {
        const policy = operation['x-access'];
        if (!policies.includes(policy)) return `no policy: ${policy}`;
        if ((policy === 'public') !== PUBLIC.includes(operation.operationId)) return 'public by mistake';
        if (policy !== 'public' && !operation.responses[403]) return 'does not say that it may be refused';
        const keys = (operation.security ?? []).flatMap(Object.keys).includes('api_key');
        if (keys !== SCOPES.includes(policy)) return 'says the wrong thing about API keys';
        return method !== 'get' && policy.endsWith(':read') ? 'changes something with a scope to read' : undefined;
      }),
    ).toEqual([]);
  });

  it('shows a schema and an example of every body that is sent, and says how it may be refused', () => {
    const sending = operations.filter(({ operation }) => operation.requestBody);
    expect(sending.length).toBeGreaterThan(5);
    expect(
      wrong(({ operation }) => {
        if (!operation.requestBody) return undefined;
        const [[type, { schema, example, examples }]] = Object.entries<Loose>(operation.requestBody.content);
        const members = Object.entries<Loose>(resolved(schema).properties ?? {});
        const bare = members.filter(([, member]) => !hasExample(member)).map(([name]) => name);
        const missing = [400, 413, 415].filter((status) => !operation.responses[status]);
        // A form has a file or names a deposit.
        const either = ['wasm_binary', 'deposit'];
        const unexplained = type === 'multipart/form-data' ? bare.filter((name) => !either.includes(name)) : bare;
        return [...missing, ...(example || examples ? [] : unexplained)];
      }),
    ).toEqual([]);
  });

  it('names the scope of every operation in its description, and how to register', () => {
    expect(
      wrong(({ operation }) => {
        const policy: string = operation['x-access'];
        return !SCOPES.includes(policy as never) || operation.description.includes(`scope \`${policy}\``)
          ? undefined
          : 'no scope';
      }),
    ).toEqual([]);
    expect(document.info.description).toContain('POST /api/v1/auth/register');
  });

  it('requires no parameter that has a default', () => {
    expect(
      wrong(({ operation }) =>
        operation.parameters
          .filter(({ required, schema }: Loose) => required && schema.default !== undefined)
          .map(({ name }: Loose) => name),
      ),
    ).toEqual([]);
  });

  it('describes every parameter', () => {
    expect(
      wrong(({ operation, path }) => {
        const names = operation.parameters.map((parameter: Loose) => parameter.name);
        const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
        const unknown = inPath.filter((name) => !names.includes(name));
        const bare = operation.parameters.filter((parameter: Loose) => !parameter.description || !parameter.schema);
        return [...unknown, ...bare.map((parameter: Loose) => parameter.name)];
      }),
    ).toEqual([]);
  });

  it('shows an example of every member of every answer, and each example is one of its schema', () => {
    const ajv = formats.default(new Ajv({ strict: false }));
    ajv.addSchema({ $id: 'api', components: asJsonSchema(document.components) } as AnySchema);
    const faults: string[] = [];
    const check = (where: string, schema: Loose, example: unknown): void => {
      if (!ajv.validate(inDocument(asJsonSchema(schema)), example)) faults.push(`${where}: ${ajv.errorsText()}`);
    };
    for (const name of answered()) {
      for (const [member, schema] of Object.entries<Loose>(document.components.schemas[name].properties ?? {})) {
        if (schema.example !== undefined) check(`${name}.${member}`, schema, schema.example);
        else if (!schema.enum && !schema.items?.enum && !refersTo(schema).length)
          faults.push(`${name}.${member} has no example`);
      }
    }
    for (const { name, operation } of operations) {
      for (const [status, { content = {} }] of Object.entries<Loose>(operation.responses)) {
        for (const { schema, example } of Object.values<Loose>(content)) {
          if (example !== undefined) check(`${name} ${status}`, schema, example);
        }
      }
    }
    expect(faults).toEqual([]);
  });

  it('has no schema that says nothing', () => {
    const empty = Object.entries<Loose>(document.components.schemas).flatMap(([name, schema]) =>
      saysSomething(schema)
        ? Object.entries<Loose>(schema.properties)
            .filter(([, member]) => !saysSomething(member))
            .map(([member]) => `${name}.${member}`)
        : name,
    );
    expect(empty).toEqual([]);
  });

  it('refers to nothing that is not in it', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)];
    expect(references.length).toBeGreaterThan(0);
    expect(references.map(([, name]) => name).filter((name) => !(name in document.components.schemas))).toEqual([]);
  });

  it('says how tasks are submitted and what is answered', () => {
    const { requestBody, responses } = document.paths['/api/v1/tasks'].post;
    const [example] = Object.values<Loose>(requestBody.content['application/json'].examples);
    expect(example.value).toMatchObject({ required_capabilities: ['summarise'], budget: 1.5 });
    expect(responses[202].content['application/json'].example).toMatchObject({ status: 'queued' });
    expect(responses[202].headers).toHaveProperty('Location');
  });

  it('says that events come as a page or as a stream, and binaries as bytes', () => {
    const events = document.paths['/api/v1/tasks/{id}/events'].get.responses[200].content;
    expect(Object.keys(events).sort()).toEqual(['application/json', 'text/event-stream']);
    const binary = document.paths['/api/v1/agents/{id}/binary'].get.responses[200].content;
    expect(binary).toEqual({ 'application/wasm': { schema: { type: 'string', format: 'binary' } } });
  });

  it('shows bodies that the server takes as they are, as the page sends them', async () => {
    const { token } = await registerUser(server.url);
    const admin = await loginAdmin(server.url);
    const card = { slug: 'documented', name: 'Documented', capabilities: [], price: 1 };
    const agent: Loose = expectStatus(await api(server.url).post('/agents', card, { token }), 201).body;
    const task: Loose = await api(server.url).post(
      '/tasks',
      { required_capabilities: [], budget: 1, input: {} },
      { token },
    );
    const hook: Loose = await api(server.url).post('/webhooks', { url: 'https://hooks.acme.dev/' }, { token });
    const key: Loose = await api(server.url).post('/auth/api-keys', { name: 'k', scopes: ['tasks:read'] }, { token });
    const ids: Record<string, string> = {
      agents: agent.id,
      tasks: task.body.id,
      webhooks: hook.body.id,
      keys: key.body.id,
    };
    const wasm = new Blob([Uint8Array.from(await good())], { type: 'application/wasm' });
    const faults: string[] = [];
    for (const { name, method, path, operation } of operations) {
      const content: Loose = operation.requestBody?.content ?? {};
      const known = path
        .replace(/(\w+)\/\{id\}/, (_, kind: string) => `${kind}/${ids[kind] ?? task.body.id}`)
        .replace('{name}', 'KEY');
      const send = async (what: string, body: Loose, headers: Record<string, string> = {}): Promise<void> => {
        const authorization = `Bearer ${operation['x-access'] === 'admin' ? admin : token}`;
        const answer = await fetch(server.url + known, {
          method: method.toUpperCase(),
          body,
          // As the page of the document sends it.
          headers: { authorization, 'sec-fetch-site': 'same-origin', ...headers },
        });
        const taken = answer.ok || (LACKING[operation.operationId] ?? []).includes(answer.status);
        if (!taken) faults.push(`${name} ${what}: ${answer.status} ${await answer.text()}`);
      };
      for (const [type, { schema, example, examples }] of Object.entries<Loose>(content)) {
        const members = Object.entries<Loose>(resolved(schema).properties ?? {});
        if (type === 'multipart/form-data') {
          const form = new FormData();
          for (const [member, { example: text }] of members) if (text !== undefined) form.set(member, String(text));
          form.set('wasm_binary', wasm, 'agent.wasm');
          await send('form', form);
        } else if (type === 'application/json') {
          const shown = example ?? schema.example;
          const single = shown === undefined ? {} : { shown };
          const several = examples && Object.entries<Loose>(examples).map(([key, { value }]) => [key, value]);
          const made = { members: Object.fromEntries(members.map(([key, member]) => [key, exampleOf(member)])) };
          const bodies = several ? Object.fromEntries(several) : shown === undefined ? made : single;
          for (const [what, body] of Object.entries(bodies))
            await send(what, JSON.stringify(body), { 'content-type': 'application/json' });
        }
      }
    }
    expect(faults).toEqual([]);
  });

  /** What is wrong with which operation. */
  function wrong(check: (operation: Operation) => unknown): string[] {
    return operations.flatMap((operation) => {
      const found = [check(operation)].flat().filter((fault) => fault !== undefined);
      return found.length > 0 ? [`${operation.name}: ${found.join(', ')}`] : [];
    });
  }

  /** Names of the schemas that answers consist of. */
  function answered(): Set<string> {
    const found = new Set<string>();
    const visit = (part: unknown): void => {
      for (const name of refersTo(part).filter((it) => !found.has(it))) {
        found.add(name);
        visit(document.components.schemas[name]);
      }
    };
    for (const { operation } of operations) visit(operation.responses);
    return found;
  }

  const resolved = (schema: Loose): Loose =>
    schema.$ref ? document.components.schemas[schema.$ref.split('/').at(-1)] : schema;

  const exampleOf = (schema: Loose): Loose => {
    const { example, enum: choices, properties } = resolved(schema);
    if (example !== undefined) return example;
    if (choices) return choices[0];
    return Object.fromEntries(Object.entries<Loose>(properties ?? {}).map(([key, member]) => [key, exampleOf(member)]));
  };

  /** Of its own, or of every member. */
  const hasExample = (schema: Loose): boolean => {
    const { example, enum: choices, properties } = resolved(schema);
    if (example !== undefined || choices) return true;
    return properties !== undefined && Object.values(properties).every(hasExample);
  };
});

const refersTo = (part: unknown): string[] =>
  [...JSON.stringify(part).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name);

/** OpenAPI 3.0 says `nullable` where JSON Schema has a second type. */
function asJsonSchema(part: Loose): Loose {
  if (Array.isArray(part)) return part.map(asJsonSchema);
  if (part === null || typeof part !== 'object') return part;
  const { nullable, ...rest } = part;
  const schema = Object.fromEntries(
    Object.entries(rest).map(([key, value]) => [key, key === 'example' ? value : asJsonSchema(value)]),
  );
  if (nullable === true && typeof part.type === 'string') return { anyOf: [schema, { type: 'null' }] };
  return schema;
}

/** With its references leading into the document. */
const inDocument = (schema: Loose): Loose =>
  JSON.parse(JSON.stringify(schema).replaceAll('"#/components/', '"api#/components/'));

/** An object tells its members, an array its items, and anything else at least its type. */
function saysSomething(schema: Loose): boolean {
  if (schema.$ref || schema.oneOf?.length || schema.allOf?.length || schema.enum) return true;
  if (schema.type === 'array') return schema.items !== undefined;
  if (schema.type !== 'object') return schema.type !== undefined;
  return Object.keys(schema.properties ?? {}).length > 0 || schema.additionalProperties !== undefined;
}
