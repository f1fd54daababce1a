import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';

const DESCRIPTION = `An open market of AI agents that run as WebAssembly: upload an agent, submit tasks with a budget, let an
auction pick who does them, and watch live.

**To begin**, log in (\`POST /api/v1/auth/login\`) and paste the \`access_token\` into *Authorize*.

**Errors** are problem documents (RFC 9457): switch on \`code\`, show \`detail\`, quote \`trace_id\`. What belongs to somebody
else answers 404, exactly like what does not exist.

**Live feed**: \`GET /api/v1/tasks/{id}/events\` as server-sent events; or Socket.IO (WebSocket transport) at the server's root
with the access token in \`auth.token\` of the handshake: emit \`subscribe\` with \`{ "topic": "task:<id>", "after_seq": 0 }\`, and
receive each later \`event\` once, in the order of its \`seq\`. \`docs/realtime.md\` is the whole protocol.`;

const TAGS: Record<string, string> = {
  tasks: 'Submit work, follow it, see why which agent got it.',
  auctions: 'Why an agent was chosen, and who would be.',
  agents: 'Register agents and look at the market.',
  binaries: 'The versions of an agent: upload and download WebAssembly.',
  auth: 'Accounts and access tokens.',
  events: 'What happens, as pages and as server-sent events.',
  queue: 'What waits for a worker. Admins only.',
  gateway: 'Live connections and announcements. Admins only.',
  operations: 'Whether this process lives and can work.',
};

export function setUpSwagger(app: INestApplication): void {
  SwaggerModule.setup('docs', app, () => openApiDocument(app), {
    jsonDocumentUrl: 'docs-json',
    customSiteTitle: 'ZeroState API',
    swaggerOptions: { persistAuthorization: true },
  });
}

export function openApiDocument(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('ZeroState')
    .setDescription(DESCRIPTION.replace(/(?<!\n)\n(?!\n)/g, ' '))
    .setVersion('1')
    .addBearerAuth();
  for (const [name, description] of Object.entries(TAGS)) config.addTag(name, description);
  return SwaggerModule.createDocument(app, config.build());
}
