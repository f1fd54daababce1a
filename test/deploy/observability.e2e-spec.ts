import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { ensureInstalled } from '../support/apt.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { operationsUrl } from '../support/metrics.js';
import { type ServerProcess, startServer } from '../support/server.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const FOLDER = `${ROOT}deploy/observability/`;
const DASHBOARDS = `${FOLDER}grafana/dashboards/`;

interface Alert {
  alert: string;
  expr: string;
  annotations: { runbook: string };
}

/** Starts of what Prometheus itself adds. */
const NOT_OURS = ['up'];

describe('the alerts and dashboards', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let alerts: Alert[];
  const expressions = new Map<string, string>();

  beforeAll(async () => {
    ensureInstalled('prometheus', () => promtool('--version').status === 0, '--no-install-recommends');
    alerts = parse(await readFile(`${FOLDER}alerts.yaml`, 'utf8')).groups[0].rules;
    for (const { alert, expr } of alerts) expressions.set(alert, expr);
    for (const file of await readdir(DASHBOARDS)) {
      const { panels } = JSON.parse(await readFile(DASHBOARDS + file, 'utf8'));
      for (const { title, targets } of panels) {
        for (const { refId, expr } of targets) expressions.set(`${file}: ${title} ${refId}`, expr);
      }
    }
    database = await createTestDatabase();
    server = await startServer({ env: { DATABASE_URL: database.url, METRICS_PORT: '0' } });
  }, 300_000);

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
  });

  it.each([
    ['the configuration', ['check', 'config', '--syntax-only', 'prometheus.yaml']],
    ['the rules', ['check', 'rules', 'alerts.yaml']],
    ['the unit tests of the rules', ['test', 'rules', 'alerts.test.yaml']],
  ])('pass promtool: %s', (_, args) => {
    const { status, stdout, stderr } = promtool(...args);
    expect([status, status === 0 ? '' : stdout + stderr]).toEqual([0, '']);
  });

  it('pass promtool: the expressions of the dashboards', async () => {
    const rules = [...expressions.values()].map((expression, index) => ({
      record: `panel:${index}`,
      // What Grafana puts in their place.
      expr: expression.replaceAll('$__rate_interval', '5m').replaceAll(/\$\{?\w+\}?/g, '.*'),
    }));
    expect(rules.length).toBeGreaterThan(alerts.length);
    const folder = await mkdtemp(join(tmpdir(), 'zerostate-panels-'));
    try {
      const file = join(folder, 'panels.yaml');
      await writeFile(file, stringify({ groups: [{ name: 'panels', rules }] }));
      const { status, stdout, stderr } = promtool('check', 'rules', file);
      expect([status, status === 0 ? '' : stdout + stderr]).toEqual([0, '']);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('have a unit test and a section of the runbook for each alert', async () => {
    const tests = await readFile(`${FOLDER}alerts.test.yaml`, 'utf8');
    const runbook = await readFile(`${ROOT}docs/runbook.md`, 'utf8');
    const sections = [...runbook.matchAll(/^## (\w+)$/gm)].map(([, section]) => section);
    expect(sections).toEqual(alerts.map(({ alert }) => alert));
    for (const { alert, annotations } of alerts) {
      expect(annotations.runbook).toBe(`docs/runbook.md#${alert.toLowerCase()}`);
      // That it fires, not only that it does not.
      expect(tests).toMatch(new RegExp(`alertname: ${alert}\\n\\s+eval_time: \\w+\\n\\s+exp_alerts:`));
    }
  });

  it('ask only for figures that a running server exports, and for all that are its own', async () => {
    const text = await (await fetch(`${await operationsUrl(server)}/metrics`)).text();
    const exported = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
    const asked = new Set<string>();
    const unknown: string[] = [];
    for (const [place, expression] of expressions) {
      for (const name of metricsIn(expression)) {
        const base = exported.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
        if (exported.has(base)) asked.add(base);
        else if (!NOT_OURS.includes(name)) unknown.push(`${place}: ${name}`);
      }
    }
    expect(unknown).toEqual([]);
    const shownNowhere = [...exported].filter((name) => name.startsWith('zerostate_') && !asked.has(name));
    expect(shownNowhere.sort()).toEqual(DETAIL);
  });

  it('can be read by Prometheus, which promtool finds nothing to say about', async () => {
    const text = await (await fetch(`${await operationsUrl(server)}/metrics`)).text();
    // Node.js's own figures come from the client library, with names that promtool would have otherwise.
    const own = `${text
      .split('\n')
      .filter((line) => /^(# \w+ )?zerostate_/.test(line))
      .join('\n')}\n`;
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: own, encoding: 'utf8' });
    expect([status, stdout + stderr]).toEqual([0, '']);
  });
});

/** Exported for a closer look; on no dashboard. */
const DETAIL = [
  'zerostate_build_info',
  'zerostate_feed_last_seq',
  'zerostate_gateway_subscriptions',
  'zerostate_host_call_duration_seconds',
  'zerostate_mcp_tool_calls_total',
  'zerostate_sandbox_runs_parked',
  'zerostate_sandbox_wall_up',
  'zerostate_upload_size_bytes',
  'zerostate_validation_duration_seconds',
  'zerostate_validation_wall_up',
  'zerostate_virus_scan_duration_seconds',
  'zerostate_webhook_deliveries_pending',
  'zerostate_webhook_request_duration_seconds',
  'zerostate_webhook_requests_total',
  'zerostate_webhooks_disabled_total',
];

const promtool = (...args: string[]) => spawnSync('promtool', args, { cwd: FOLDER, encoding: 'utf8' });

/** Names of time series: what stands before braces, or by itself and is no function and no label. */
function metricsIn(expression: string): string[] {
  const bare = expression.replace(/\{[^}]*\}/g, '{}').replace(/\b(by|on|without) \([^)]*\)/g, '');
  return [...bare.matchAll(/\b(zerostate_\w+|nodejs_\w+|process_\w+|up)\b(?!\()/g)].map(([, name]) => name);
}
