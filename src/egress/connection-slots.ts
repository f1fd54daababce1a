import { EgressRefusal } from './egress.js';

/** Most requests under way at a time. Each has a connection of its own. */
export interface SlotLimits {
  total: number;
  perTenant: number;
  perHost: number;
}

/** Counts requests under way, so that no agent takes all connections and no host is flooded. */
export class ConnectionSlots {
  private total = 0;
  private readonly tenants = new Map<string, number>();
  private readonly hosts = new Map<string, number>();

  constructor(private readonly limits: SlotLimits) {}

  /** @returns releases the slot @throws EgressRefusal `EGRESS_BUSY` */
  take(tenant: string, host: string): () => void {
    const { total, perTenant, perHost } = this.limits;
    if ((this.tenants.get(tenant) ?? 0) >= perTenant) throw busy(`${perTenant} of this agent`);
    if ((this.hosts.get(host) ?? 0) >= perHost) throw busy(`${perHost} to ${host}`);
    if (this.total >= total) throw busy(`${total} of all agents`);
    this.count(tenant, host, 1);
    return () => this.count(tenant, host, -1);
  }

  private count(tenant: string, host: string, change: 1 | -1): void {
    this.total += change;
    add(this.tenants, tenant, change);
    add(this.hosts, host, change);
  }
}

const busy = (limit: string): EgressRefusal =>
  new EgressRefusal('EGRESS_BUSY', `Too many requests are under way (limit ${limit}). Try again in a second.`);

function add(counts: Map<string, number>, key: string, change: number): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
