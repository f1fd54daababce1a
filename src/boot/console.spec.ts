import { describe, expect, it } from '@jest/globals';
import { isPage } from './console.js';

describe('an address that a browser opens', () => {
  it('is a page of the console unless it is one of the server, or a file', () => {
    const pages = [
      '/market',
      '/market/word-count',
      '/tasks/0193a7c2-7d1e-7000-8000-000000000000',
      '/admin',
      '/admin/queue',
      '/new',
    ];
    expect(pages.filter((path) => !isPage(path))).toEqual([]);
    const others = [
      ...[
        '/api',
        '/api/v1/tasks',
        '/docs',
        '/docs/index.html',
        '/docs-json',
        '/health/ready',
        '/metrics',
        '/socket.io/',
      ],
      ...[
        '/mcp',
        '/mcp/x',
        '/a2a/agents',
        '/.well-known/agent-card.json',
        '/assets/x.js',
        '/favicon.ico',
        '/robots.txt',
      ],
      ...['/admin/queues', '/market/logo.png'],
    ];
    expect(others.filter(isPage)).toEqual([]);
  });
});
