import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AdvancedConsoleLogger, DataSource } from 'typeorm';
import { Agent, AgentBinary, AgentStatistics } from '../../src/agents/index.js';
import { AgentPresenter } from '../../src/agents/agent.presenter.js';
import { AgentService } from '../../src/agents/agent.service.js';
import type { NewCapabilities } from '../../src/agents/new-capabilities.js';
import type { OwnerQuota } from '../../src/agents/owner-quota.js';
import { VersionScans } from '../../src/agents/version-scans.js';
import type { AuditTrail } from '../../src/auth/index.js';
import { newId } from '../../src/common/ids.js';
import { parseEnvironment } from '../../src/config/index.js';
import { dataSourceOptions } from '../../src/data-source.js';
import { Sql } from '../../src/database/index.js';
import { EventLog, type EventStream } from '../../src/feed/index.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { until } from '../support/until.js';

describe('the registry of agents', () => {
  const ownerId = newId();
  let test: TestDatabase;
  let database: DataSource;
  let sql: Sql;
  let presenter: AgentPresenter;
  let agents: AgentService;
  let scans: VersionScans;
  let queries: string[] = [];

  beforeAll(async () => {
    test = await createTestDatabase();
    const logger = { logQuery: (query: string) => void queries.push(query) } as unknown as AdvancedConsoleLogger;
    database = await new DataSource({ ...dataSourceOptions(test.url), logging: ['query'], logger }).initialize();
    sql = new Sql(test.url);
    const events = new EventLog(sql, { publish: async () => undefined } as unknown as EventStream);
    const { auction, market } = parseEnvironment({});
    presenter = new AgentPresenter(database, auction);
    const none = {} as OwnerQuota & NewCapabilities & AuditTrail;
    agents = new AgentService(database, events, none, none, none, presenter, market);
    scans = new VersionScans(database, agents, events);
    await database.query(`INSERT INTO users (id, email, password_hash) VALUES ($1, 'owner@example.test', '')`, [
      ownerId,
    ]);
    await database.query(`INSERT INTO blobs (ref) VALUES ('test:blob')`);
  });

  afterAll(async () => {
    await Promise.all([database.destroy(), sql.close()]);
    await test.drop();
  });

  const newAgent = async (slug: string): Promise<string> => {
    const id = newId();
    await database.query(
      `INSERT INTO agents (id, owner_id, slug, name, capabilities, price_micro) VALUES ($1, $2, $3, 'Agent', '{}', 5)`,
      [id, ownerId, slug],
    );
    await database.getRepository(AgentStatistics).insert({ agentId: id });
    return id;
  };
  const activeOf = async (id: string) => (await database.getRepository(Agent).findOneByOrFail({ id })).activeBinaryId;

  describe('when the scanner finds something in a version that its owner', () => {
    const verdict = { status: 'infected', signature: 'Eicar', scanned_at: null } as const;

    it.each([
      ['activates in that moment', 'suspect', 'UPDATE agents SET active_binary_id = $1 WHERE id = $2'],
      [
        'retires in that moment',
        'retiring',
        'UPDATE agent_binaries SET retired_at = now() WHERE id = $1 AND agent_id = $2',
      ],
    ])('%s, both are done, and the version is off the market', async (_, slug, act) => {
      const agentId = await newAgent(slug);
      const suspect = newId();
      const sha256 = suspect.replaceAll('-', '').padEnd(64, '0');
      await database.getRepository(AgentBinary).insert({
        id: suspect,
        agentId,
        version: '1.0.0',
        sha256,
        size: 1,
        storageRef: 'test:blob',
        validation: {},
        scan: { status: 'unscanned', signature: null, scanned_at: null },
        uploadedBy: ownerId,
      });
      expect(await scans.next('')).toMatchObject({ id: suspect, sha256 });
      const owner = database.createQueryRunner();
      await owner.startTransaction();
      await owner.query('SELECT FROM agents WHERE id = $1 FOR UPDATE', [agentId]);
      const recorded = scans.record(sha256, verdict);
      await Promise.race([recorded, until('it waits for the owner', isSomebodyWaiting)]);
      await owner.query(act, [suspect, agentId]);
      await owner.commitTransaction();
      await owner.release();
      await recorded;
      expect(await activeOf(agentId)).toBeNull();
      expect(await scans.next('')).toBeNull();
    });

    const isSomebodyWaiting = async (): Promise<boolean> => {
      const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      return (await database.query(waiting)).length > 0;
    };
  });

  it('reads no version of anybody’s to show an agent that has none', async () => {
    const agent = await database.getRepository(Agent).findOneByOrFail({ id: await newAgent('bare') });
    queries = [];
    expect(await presenter.card(agent)).toMatchObject({ slug: 'bare', version: null });
    expect(queries.filter((query) => query.includes('agent_binaries'))).toEqual([]);
  });
});
