import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Controller, Delete, Get, HttpCode, Logger, type OnApplicationShutdown, Post, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Request as HttpRequest, Response as HttpResponse } from 'express';
import { type Caller, CurrentCaller, LongLivedAccess } from '../auth/index.js';
import { Access, SCOPES } from '../common/access.js';
import { AppError, notFound } from '../common/app-error.js';
import { RawJson } from '../common/raw-json.js';
import { McpConfig } from '../config/index.js';
import { ConnectionLimits } from '../gateway/index.js';
import { type AgentSelection, selectionOf } from './agent-selection.js';
import type { Exchange } from './exchange.js';
import { MCP_PATH, METADATA_PATH, resourceOf } from './origin-guard.js';
import type { Door } from './protocol.js';
import { McpResources } from './resources.js';
import { ToolCalls } from './tool-calls.js';

/** The endpoint of the Model Context Protocol (Streamable HTTP). It speaks JSON-RPC, so it is no part of the REST API. */
@ApiExcludeController()
@Controller()
export class McpController implements OnApplicationShutdown {
  private readonly logger = new Logger('Mcp');
  private door: Promise<Door> | undefined;

  constructor(
    private readonly tools: ToolCalls,
    private readonly resources: McpResources,
    private readonly access: LongLivedAccess,
    private readonly connections: ConnectionLimits,
    private readonly config: McpConfig,
  ) {}

  /** Who authenticates callers of the endpoint (RFC 9728). */
  @Get(METADATA_PATH)
  @Access('public')
  metadata(@Req() request: HttpRequest): object {
    if (!this.config.enabled) throw disabled();
    return {
      resource: resourceOf(this.config, request).href,
      resource_name: 'ZeroState',
      bearer_methods_supported: ['header'],
      scopes_supported: SCOPES,
    };
  }

  @Post(MCP_PATH)
  @HttpCode(200)
  @Access('tasks:read')
  async call(
    @CurrentCaller() caller: Caller,
    @Req() request: HttpRequest,
    @Res() response: HttpResponse,
  ): Promise<void> {
    await this.serve(caller, request, response);
  }

  /** Streams that no request opens are not served: the protocol's answer is 405. */
  @Get(MCP_PATH)
  @Access('tasks:read')
  async listen(
    @CurrentCaller() caller: Caller,
    @Req() request: HttpRequest,
    @Res() response: HttpResponse,
  ): Promise<void> {
    await this.serve(caller, request, response);
  }

  /** There are no sessions to end: the protocol's answer is 405. */
  @Delete(MCP_PATH)
  @Access('tasks:read')
  async end(
    @CurrentCaller() caller: Caller,
    @Req() request: HttpRequest,
    @Res() response: HttpResponse,
  ): Promise<void> {
    await this.serve(caller, request, response);
  }

  async onApplicationShutdown(): Promise<void> {
    await (await this.door)?.close();
  }

  private async serve(caller: Caller, request: HttpRequest, response: HttpResponse): Promise<void> {
    if (!this.config.enabled) throw disabled();
    const selection = selectionOf(new URL(request.originalUrl, 'http://localhost').searchParams);
    const address = request.ip ?? '';
    this.connections.check(caller.id, address);
    const gone = new AbortController();
    const release = [
      this.connections.take(caller.id, address),
      this.access.keep({ caller, onAccessEnded: (reason) => gone.abort(reason) }),
    ];
    response.once('close', () => {
      gone.abort();
      for (const free of release) free();
    });
    const body = request.body instanceof RawJson ? request.body : undefined;
    const door = await this.open();
    const answer = await door.answer(
      asWebRequest(request, resourceOf(this.config, request), gone.signal),
      this.exchange(caller, selection, body, gone.signal),
      body?.parse(),
    );
    await send(answer, response, gone.signal);
  }

  private exchange(
    caller: Caller,
    selection: AgentSelection,
    body: RawJson | undefined,
    signal: AbortSignal,
  ): Exchange {
    const { tools, resources } = this;
    return {
      caller,
      selection,
      arguments: body?.members()?.get('params')?.members()?.get('arguments') ?? new RawJson('{}'),
      signal,
      tools,
      resources,
    };
  }

  private open(): Promise<Door> {
    this.door ??= import('./protocol.js').then(({ openDoor }) =>
      openDoor((error) => this.logger.debug(`a request was refused: ${error.message}`)),
    );
    return this.door;
  }
}

const disabled = (): AppError => notFound('endpoint');

/** Without the body, which is parsed already. */
function asWebRequest({ method, headers }: HttpRequest, url: URL, signal: AbortSignal): Request {
  const names = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined || name.startsWith(':') ? [] : [[name, String(value)] as [string, string]],
  );
  return new Request(url, { method, headers: names, signal });
}

async function send(answer: Response, response: HttpResponse, signal: AbortSignal): Promise<void> {
  response.status(answer.status);
  for (const [name, value] of answer.headers) response.setHeader(name, value);
  if (!answer.body) return void response.end();
  response.flushHeaders();
  const body = Readable.fromWeb(answer.body as Parameters<typeof Readable.fromWeb>[0]);
  await pipeline(body, response, { signal }).catch((error: unknown) => {
    // The client has gone, or its access has ended.
    if (!signal.aborted && !response.destroyed) throw error;
    response.destroy();
  });
}
