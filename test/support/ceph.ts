import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { freePort } from '../../src/database/embedded/free-port.js';
import { ensureInstalled } from './apt.js';
import { until } from './until.js';

/** A real S3 service that verifies signatures. */
export interface CephServer {
  endpoint: string;
  accessKeyId: string;
  secretAccessKey: string;
  stop(): Promise<void>;
}

const PACKAGES = { 'ceph-mon': 'ceph-mon', 'ceph-osd': 'ceph-osd', radosgw: 'radosgw' };
const COMMAND_TIMEOUT_MS = 60_000;

/**
 * Starts Ceph's object gateway with the smallest cluster there is below it: one monitor and one store, which keeps
 * everything in memory. Where they are missing, Debian's packages are installed as `ensureInstalled` does it.
 * @throws Error with what the failing part has written
 */
export async function startCeph(): Promise<CephServer> {
  for (const [name, program] of Object.entries(PACKAGES)) {
    ensureInstalled(name, () => existsSync(`/usr/bin/${program}`), '--no-install-recommends');
  }
  const dir = await mkdtemp(join(tmpdir(), 'zerostate-ceph-'));
  const cluster = new Cluster(dir);
  try {
    return await cluster.start();
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

class Cluster {
  private readonly daemons: ChildProcess[] = [];

  constructor(private readonly dir: string) {}

  async start(): Promise<CephServer> {
    const [monitor, gateway] = [await freePort(), await freePort()];
    const fsid = randomUUID();
    const keyring = this.path('keyring');
    for (const folder of ['mon', 'osd', 'gateway']) await mkdir(this.path(folder));
    await writeFile(this.path('ceph.conf'), this.configuration(fsid, monitor, gateway));

    await this.run(
      'monmaptool',
      '--create',
      '--fsid',
      fsid,
      '--addv',
      'a',
      `[v2:127.0.0.1:${monitor}]`,
      this.path('map'),
    );
    await this.run('ceph-authtool', '--create-keyring', keyring, '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *');
    for (const name of ['client.admin', 'osd.0']) {
      const capabilities = ['--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *'];
      await this.run('ceph-authtool', keyring, '--gen-key', '-n', name, ...capabilities);
    }
    await this.run('ceph-mon', ...this.conf, '--mkfs', '-i', 'a', '--monmap', this.path('map'), '--keyring', keyring);
    this.daemon('ceph-mon', '-i', 'a');
    await this.run('ceph', ...this.conf, 'osd', 'new', fsid);
    await this.run('ceph-osd', ...this.conf, '-i', '0', '--mkfs', '--osd-uuid', fsid);
    this.daemon('ceph-osd', '-i', '0');

    const key = { accessKeyId: 'zerostate', secretAccessKey: randomUUID() };
    const user = ['--uid', 'zerostate', '--display-name', 'zerostate'];
    const keys = ['--access-key', key.accessKeyId, '--secret', key.secretAccessKey];
    await this.run('radosgw-admin', ...this.conf, 'user', 'create', ...user, ...keys);
    this.daemon('radosgw', '-n', 'client.admin');
    const endpoint = `http://127.0.0.1:${gateway}`;
    await until('the gateway answers', () => fetch(endpoint).then(Boolean, () => false), COMMAND_TIMEOUT_MS);
    return { endpoint, ...key, stop: () => this.stop() };
  }

  async stop(): Promise<void> {
    for (const daemon of this.daemons.reverse()) {
      if (daemon.exitCode !== null || daemon.signalCode !== null) continue;
      daemon.kill('SIGKILL'); // it has nothing to save
      await once(daemon, 'exit');
    }
    await rm(this.dir, { recursive: true, force: true });
  }

  private get conf(): string[] {
    return ['-c', this.path('ceph.conf')];
  }

  private path(name: string): string {
    return join(this.dir, name);
  }

  /** Runs in the foreground (`-f`), so that it is this process's child, and ends with it. */
  private daemon(program: string, ...args: string[]): void {
    const log = openSync(this.path(`${program}.out`), 'a');
    this.daemons.push(spawn(program, [...this.conf, '-f', ...args], { stdio: ['ignore', log, log] }));
  }

  private async run(program: string, ...args: string[]): Promise<void> {
    const out = this.path('commands.out');
    const log = openSync(out, 'a');
    const child = spawn(program, args, { stdio: ['ignore', log, log], timeout: COMMAND_TIMEOUT_MS });
    const [status] = (await once(child, 'exit')) as [number | null];
    if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed:\n${await readFile(out, 'utf8')}`);
  }

  private configuration(fsid: string, monitor: number, gateway: number): string {
    return `
[global]
fsid = ${fsid}
mon_host = v2:127.0.0.1:${monitor}/0
mon_initial_members = a
keyring = ${this.path('keyring')}
ms_bind_ipv6 = false
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
run_dir = ${this.dir}
admin_socket = ${this.dir}/$name.$pid.asok
log_file = ${this.dir}/$name.log
pid_file =
mon_allow_pool_size_one = true
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
[mon]
mon_data = ${this.path('mon')}
mon_data_avail_crit = 0
mon_data_avail_warn = 0
[osd]
osd_data = ${this.path('osd')}
osd_objectstore = memstore
memstore_device_bytes = 1073741824
osd_class_load_list = *
osd_class_default_list = *
[client.admin]
rgw_data = ${this.path('gateway')}
rgw_frontends = beast endpoint=127.0.0.1:${gateway}
`;
  }
}
