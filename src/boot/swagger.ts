import type { INestApplication } from '@nestjs/common';
import type { Request, Response } from 'express';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { POLICY, type Policy } from '../common/access.js';
import { addUsualProblems } from '../common/api-problems.js';
import { EXAMPLE_IDS } from '../common/api-schema.js';

const DESCRIPTION = `An open market of AI agents that run as WebAssembly: upload an agent, submit tasks with a budget, let an
auction pick who does them, and watch live.

**To begin**, register (\`POST /api/v1/auth/register\`) or log in (\`POST /api/v1/auth/login\`), and paste the \`access_token\` of
the answer into *Authorize*. Programs use an API key (\`POST /api/v1/auth/api-keys\`) in \`X-API-Key\`. The last line of each route's
description names the scope that it needs.

**Errors** are problem documents (RFC 9457): switch on \`code\`, show \`detail\`, quote \`trace_id\`. What belongs to somebody
else answers 404, exactly like what does not exist.

**Live feed**: \`GET /api/v1/tasks/{id}/events\` as server-sent events; or Socket.IO (WebSocket transport) at the server's root
with the access token in \`auth.token\` of the handshake: emit \`subscribe\` with \`{ "topic": "task:<id>", "after_seq": 0 }\`, and
receive each later \`event\` once, in the order of its \`seq\`. \`docs/realtime.md\` describes the protocol.`;

const TAGS: Record<string, string> = {
  tasks: 'Submit work, follow it, see which agent got it and why.',
  auctions: 'Why an agent was chosen, and which one would be.',
  agents: 'Register agents and look at the market.',
  moderation: 'Decide which agents may be on the market. Admins only.',
  binaries: 'The versions of an agent: upload and download WebAssembly.',
  auth: 'Logging in and out, tokens and API keys.',
  accounts: 'All accounts, and the audit trail. Admins only.',
  events: 'Events, as pages and as server-sent events.',
  ledger: 'Credits: balance, transfers, statements, payouts and disputes.',
  webhooks: 'Your events, sent to your servers.',
  queue: 'The tasks that wait for a worker. Admins only.',
  gateway: 'Live connections and announcements. Admins only.',
  operations: 'Whether this process is alive and ready.',
};

export function setUpSwagger(app: INestApplication): void {
  let document: OpenAPIObject | undefined;
  let text: string | undefined;
  const made = (): OpenAPIObject => (document ??= openApiDocument(app));
  // Any client may request it: Nest would serialise it each time, 5 ms as JSON and 30 ms as YAML.
  app.getHttpAdapter().get('/docs-json', (_request: Request, response: Response) => {
    response.type('json').send((text ??= JSON.stringify(made())));
  });
  SwaggerModule.setup('docs', app, made, {
    raw: false,
    customSiteTitle: 'ZeroState API',
    swaggerOptions: { persistAuthorization: true },
  });
}

export function openApiDocument(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('ZeroState')
    .setDescription(DESCRIPTION.replace(/(?<!\n)\n(?!\n)/g, ' '))
    .setVersion('1')
    .addServer('/', 'This server')
    .addBearerAuth()
    .addApiKey({ type: 'apiKey', in: 'header', name: 'X-API-Key' }, 'api_key');
  for (const [name, description] of Object.entries(TAGS)) config.addTag(name, description);
  return completed(SwaggerModule.createDocument(app, config.build()));
}

/** A route's credentials follow from its policy. A route with only a summary also uses it as description. */
function completed(document: OpenAPIObject): OpenAPIObject {
  for (const item of Object.values(document.paths)) {
    for (const operation of Object.values(item as Record<string, Operation>)) {
      addUsualProblems(operation.responses);
      const policy = operation[POLICY];
      operation.description = `${operation.description ?? operation.summary}\n\n${accessText(policy)}`;
      operation.security = CREDENTIALS[policy ?? ''] ?? [{ bearer: [] }, { api_key: [] }];
    }
  }
  for (const [schema, { properties = {} }] of Object.entries((document.components?.schemas ?? {}) as Schemas)) {
    for (const [name, property] of Object.entries(properties)) {
      showExample(schema, name, property);
      allowNull(property);
      tellDefault(property);
    }
  }
  return document;
}

/** What a route with this policy accepts; every other one is a scope. */
const CREDENTIALS: Record<string, Operation['security']> = { public: [], session: [{ bearer: [] }] };

function accessText(policy: Policy | undefined): string {
  if (policy === 'public') return 'Access: everybody.';
  if (policy === 'session') return 'Access: logged-in users; no API keys.';
  const who = policy === 'admin' ? 'logged-in admins, and their API keys' : 'logged-in users, and API keys';
  return `Access: ${who} with the scope \`${policy}\`.`;
}

/**
 * A member that refers to another schema and may be null. Under `allOf`, as Nest writes it, that schema itself would
 * have to allow null. OpenAPI 3.0 expresses null as an enumeration.
 */
function allowNull(property: Schema): void {
  if (!property.nullable || !property.allOf) return;
  property.oneOf = [...property.allOf, { type: 'object', nullable: true, enum: [null] }];
  delete property.allOf;
  delete property.type;
  delete property.nullable;
}

/**
 * Examples for members that have none: ids and times of one story, in which one user's agent does one task. Otherwise
 * null if allowed. (The compiler's plugin drops `@example null`.) Query members get none, because the page would fill
 * them in.
 */
function showExample(schema: string, name: string, property: Schema): void {
  if (property.example !== undefined || property.allOf) return;
  const { format, nullable } = property;
  if (format === 'uuid' && name !== 'next_cursor') property.example = idIn(schema, name);
  else if (format === 'date-time' && (!nullable || HAPPENED.includes(name))) property.example = TIME;
  else if (nullable) property.example = null;
}

const TIME = '2026-11-24T09:30:00.012Z';
/** Times of what has happened in the story; other nullable times are null. */
const HAPPENED = ['started_at', 'ended_at', 'completed_at', 'last_used_at', 'scanned_at'];

function idIn(schema: string, name: string): string {
  if (/^(user|owner|actor|subject|uploaded_by|agent_owner)/.test(name)) return EXAMPLE_IDS.user;
  if (name === 'id' && /^(User|Account)/.test(schema)) return EXAMPLE_IDS.user;
  if (name === 'agent_id' || (name === 'id' && schema.startsWith('Agent'))) return EXAMPLE_IDS.agent;
  if (name === 'task_id' || (name === 'id' && schema.startsWith('Task'))) return EXAMPLE_IDS.task;
  return EXAMPLE_IDS.other;
}

/** In words, because generators of typed clients treat a member with `default` as always present, even in a request. */
function tellDefault(property: Schema): void {
  if (property.default === undefined) return;
  const told = `Default: \`${JSON.stringify(property.default)}\`.`;
  property.description = property.description ? `${property.description} ${told}` : told;
  delete property.default;
}

type Schemas = Record<string, Schema>;

interface Schema {
  type?: string;
  format?: string;
  example?: unknown;
  description?: string;
  default?: unknown;
  nullable?: boolean;
  allOf?: object[];
  oneOf?: object[];
  properties?: Record<string, Schema>;
}

interface Operation {
  [POLICY]?: Policy;
  summary?: string;
  description?: string;
  responses: Record<string, object>;
  security?: Record<string, string[]>[];
}
