import { Check, Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import type { Permissions } from '../common/permissions.dto.js';
import type { VersionLimitsDto } from '../common/run-limits.dto.js';
import { User } from '../auth/index.js';
import { Agent } from './agent.entity.js';
import { StoredBlob } from '../storage/index.js';

/** The part of a scan report that agents use; the scanner owns the rest. */
export interface ScanVerdict {
  status: 'clean' | 'infected' | 'unscanned' | 'not_configured';
  signature: string | null;
  scanned_at: string | null;
}

/** The limits of a run of this version, as on the wire. A missing limit is the server's. */
export type VersionLimits = VersionLimitsDto;

/**
 * One uploaded binary of an agent: a version. It is immutable except for malware findings and retirement. A retired
 * version keeps its number and loses its bytes once no task needs them.
 */
@Entity('agent_binaries')
@Index('agent_binaries_version_key', ['agentId', 'version'], { unique: true })
@Index('agent_binaries_blob_idx', ['storageRef'])
@Index('agent_binaries_unscanned_idx', ['id'], { where: `scan ->> 'status' IN ('unscanned', 'not_configured')` })
@Check('agent_binaries_in_service_check', 'storage_ref IS NOT NULL OR retired_at IS NOT NULL')
export class AgentBinary {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'agent_binaries_pkey' })
  id: string;

  @ForeignKey(() => Agent, { name: 'agent_binaries_agent_fkey' })
  @Column('uuid')
  agentId: string;

  /** semver */
  @Column({ type: 'varchar', length: 64 })
  version: string;

  /** Lower-case hex. */
  @Column({ type: 'char', length: 64 })
  sha256: string;

  @Column('integer')
  size: number;

  /** Reference in the blob store; null once a retired version's bytes are deleted. */
  @ForeignKey(() => StoredBlob, { name: 'agent_binaries_blob_fkey' })
  @Column({ type: 'varchar', length: 200, nullable: true })
  storageRef: string | null;

  /** The validation report that the upload answered. */
  @Column({ type: 'json' })
  validation: object;

  /** The virus scanner's report: a `ScanReport`. */
  @Column({ type: 'jsonb' })
  scan: ScanVerdict;

  /** Null: the server's limits. */
  @Column({ type: 'json', nullable: true })
  limits: VersionLimits | null;

  /** What it may ask of the host; null: nothing. */
  @Column({ type: 'json', nullable: true })
  permissions: Permissions | null;

  @ForeignKey(() => User, { name: 'agent_binaries_uploader_fkey' })
  @Column('uuid')
  uploadedBy: string;

  @CreateDateColumn({ type: 'timestamptz' })
  createdAt: Date;

  @Column({ type: 'timestamptz', nullable: true })
  retiredAt: Date | null;

  /** JSON Schema of the inputs it takes, see `src/contracts`. Null: any. */
  @Column({ type: 'json', nullable: true })
  inputSchema: object | null;

  /** JSON Schema of the outputs it gives. Null: any. */
  @Column({ type: 'json', nullable: true })
  outputSchema: object | null;
}
