import type { AgentBinary } from './agent-binary.entity.js';
import type { Agent } from './agent.entity.js';
import type { RetiredDto, VersionDto } from './version.dto.js';

/** A version as its owner sees it. @param activeId version that bids; null when none does */
export function presentVersion(binary: AgentBinary, activeId: string | null): VersionDto {
  const active = binary.id === activeId;
  return {
    version: binary.version,
    status: statusOf(binary, active),
    active,
    binary_hash: binary.sha256,
    binary_size: binary.size,
    validation: binary.validation as Record<string, unknown>,
    scan: binary.scan,
    limits: binary.limits,
    permissions: binary.permissions,
    uploaded_by: binary.uploadedBy,
    created_at: binary.createdAt.toISOString(),
    retired_at: binary.retiredAt?.toISOString() ?? null,
    input_schema: binary.inputSchema,
    output_schema: binary.outputSchema,
  };
}

/** The answer to a retirement. @param active version that bids now */
export function presentRetirement(agent: Agent, retired: readonly Named[], active: Named | undefined): RetiredDto {
  const bids = active
    ? `Version ${active.version} is active.`
    : 'No version is active: the agent does not bid until you upload or activate one.';
  return {
    agent_id: agent.id,
    retired: retired.map(({ version }) => version),
    active_version: active?.version ?? null,
    message: retired.length > 0 ? bids : `There was nothing to retire. ${bids}`,
  };
}

function statusOf(binary: AgentBinary, active: boolean): VersionDto['status'] {
  if (binary.retiredAt) return 'retired';
  if (binary.scan?.status === 'infected') return 'quarantined';
  return active ? 'active' : 'inactive';
}

type Named = Pick<AgentBinary, 'version'>;
