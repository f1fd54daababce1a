import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { parse, parseAllDocuments } from 'yaml';
import { parseEnvironment } from '../../src/config/environment.js';
import { variables } from '../../src/config/variables.js';
import { CHECK_TIMEOUT_MS } from '../../src/observability/health.js';

type Loose = any;

const FOLDER = fileURLToPath(new URL('../../../deploy/kubernetes/', import.meta.url));
const require = createRequire(import.meta.url);

/** @throws Error that names each member which the schema of Kubernetes' own API does not take */
function validate(manifest: Loose): void {
  const models = require(`kubernetes-models/${manifest.apiVersion}`);
  new models[manifest.kind](manifest).validate();
}

/** No cluster runs in these tests: they hold the manifests against Kubernetes' schemas and against the code. */
describe('the Kubernetes manifests', () => {
  let manifests: Loose[];

  beforeAll(async () => {
    const { resources } = parse(await readFile(`${FOLDER}kustomization.yaml`, 'utf8'));
    const texts = await Promise.all(resources.map((name: string) => readFile(FOLDER + name, 'utf8')));
    manifests = texts.flatMap((text) => parseAllDocuments(text, { merge: true })).map((document) => document.toJS());
  });

  const named = (kind: string, name: string): Loose =>
    manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  const deployments = (): Loose[] => manifests.filter(({ kind }) => kind === 'Deployment');
  const container = (deployment: Loose): Loose => deployment.spec.template.spec.containers[0];

  it('are what the schemas of Kubernetes take, which refuse a wrong type and a missing member', () => {
    expect(manifests.length).toBeGreaterThan(10);
    for (const manifest of manifests) validate(manifest);
    const [api] = deployments();
    expect(() => validate({ ...api, spec: { ...api.spec, replicas: 'two' } })).toThrow(/replicas/);
    expect(() => validate({ ...api, spec: { ...api.spec, selector: undefined } })).toThrow(/selector/);
  });

  it('give each process variables that the server knows, with values that it takes', () => {
    const { data } = named('ConfigMap', 'zerostate');
    const secrets: Record<string, object> = {
      zerostate: { JWT_SECRET: 'x'.repeat(32), DATABASE_URL: 'postgresql://db/z', REDIS_URL: 'redis://redis' },
      'zerostate-validator': { VALIDATOR_SECRET: 'x'.repeat(32) },
    };
    const names = ['zerostate-api', 'zerostate-worker', 'zerostate-validator'];
    expect(deployments().map(({ metadata }) => metadata.name)).toEqual(names);
    for (const deployment of deployments()) {
      const own = Object.fromEntries(container(deployment).env.map(({ name, value }: Loose) => [name, value]));
      const environment = { ...data, ...own };
      expect(Object.keys(environment).filter((name) => !(name in variables.shape))).toEqual([]);
      const given = container(deployment).envFrom.flatMap(({ secretRef }: Loose) =>
        secretRef ? [secretRef.name] : [],
      );
      const taken = Object.assign({}, ...given.map((name: string) => secrets[name]));
      // A validator refuses to start with a secret of others.
      const { server, queue, metrics } = parseEnvironment({ ...environment, ...taken });
      const { terminationGracePeriodSeconds: grace } = deployment.spec.template.spec;
      expect(grace * 1000).toBeGreaterThan(server.shutdownDelayMs + queue.shutdownGraceMs);
      const ports = container(deployment).ports.map(({ containerPort }: Loose) => containerPort);
      expect(ports).toContain(metrics.port);
      if (server.roles.includes('api')) expect(ports).toContain(server.port);
    }
  });

  it('ask a process whether it lives and is ready at ports that it opens, and wait longer than it does for a dependency', () => {
    for (const deployment of deployments()) {
      const { startupProbe, readinessProbe, livenessProbe, ports } = container(deployment);
      const names = ports.map(({ name }: Loose) => name);
      for (const probe of [startupProbe, readinessProbe, livenessProbe]) expect(names).toContain(probe.httpGet.port);
      expect(readinessProbe.httpGet.path).toBe('/health/ready');
      expect(readinessProbe.timeoutSeconds * 1000).toBeGreaterThan(CHECK_TIMEOUT_MS);
      // A dependency that is away must not get every process killed.
      expect([startupProbe.httpGet.path, livenessProbe.httpGet.path]).toEqual(['/health/live', '/health/live']);
    }
  });

  it('take from processes what they do not need, and let workers reach the stores alone and the validator nothing', () => {
    for (const deployment of deployments()) {
      const { automountServiceAccountToken } = deployment.spec.template.spec;
      const { securityContext } = container(deployment);
      expect(automountServiceAccountToken).toBe(false);
      expect(securityContext).toMatchObject({ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false });
      expect(securityContext.capabilities.drop).toEqual(['ALL']);
    }
    expect(named('Deployment', 'zerostate-worker').spec.template.spec.hostUsers).toBe(false);
    expect(named('NetworkPolicy', 'deny-all').spec).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
    const out = manifests.filter(({ kind, spec }) => kind === 'NetworkPolicy' && spec.egress);
    expect(out.map(({ metadata }) => metadata.name)).toEqual([
      'zerostate-to-stores',
      'zerostate-api-to-clamd',
      'zerostate-api-to-validator',
    ]);
    const [{ values }] = out[0].spec.podSelector.matchExpressions;
    expect(values).toEqual(['api', 'worker']);
    for (const { spec } of out) for (const rule of spec.egress) expect(rule.to.length).toBeGreaterThan(0);
  });
});
