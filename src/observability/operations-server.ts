import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { MetricsConfig } from '../config/index.js';
import { Health } from './health.js';
import { registry } from './metrics.js';

/**
 * Serves Prometheus and an orchestrator on a separate port (`METRICS_PORT`): `/metrics`, `/health/live` and
 * `/health/ready`. A worker has no other HTTP, and an API keeps its metrics off its public port. There is no login: any
 * client that reaches the address may read. The default is this machine only.
 */
@Injectable()
export class OperationsServer implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('Operations');
  private readonly server = createServer((request, response) => void this.answer(request, response));

  constructor(
    private readonly health: Health,
    private readonly config: MetricsConfig,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { port, host } = this.config;
    if (port === undefined) return;
    this.server.listen(port, host);
    await once(this.server, 'listening').catch((error: NodeJS.ErrnoException) => {
      throw new Error(`METRICS_PORT ${port} on ${host} cannot be used (${error.code}): set another, or none.`);
    });
    const address = this.server.address() as AddressInfo;
    this.logger.log(`metrics and health on http://${host.includes(':') ? `[${host}]` : host}:${address.port}`);
  }

  onApplicationShutdown(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private async answer({ method, url = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = url.split('?')[0];
    if (method !== 'GET' && method !== 'HEAD') return send(response, 405, 'text/plain', 'GET only\n');
    try {
      if (path === '/metrics') return send(response, 200, registry.contentType, await registry.metrics());
      if (path === '/health/live') return send(response, 200, JSON_TYPE, JSON.stringify({ status: 'ok' }));
      if (path === '/health/ready') {
        const report = await this.health.report();
        return send(response, report.status === 'ready' ? 200 : 503, JSON_TYPE, JSON.stringify(report));
      }
      send(response, 404, 'text/plain', 'Not found. This port serves /metrics, /health/live and /health/ready.\n');
    } catch (error) {
      this.logger.error(`${path} failed: ${(error as Error).stack}`);
      send(response, 500, 'text/plain', 'The request failed; the log says why.\n');
    }
  }
}

const JSON_TYPE = 'application/json; charset=utf-8';

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store' });
  response.end(body);
}
