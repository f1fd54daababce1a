import { Column, CreateDateColumn, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { User } from '../auth/index.js';
import { Agent } from './agent.entity.js';

/** One uploaded binary of an agent: a version. Immutable. */
@Entity('agent_binaries')
@Index('agent_binaries_version_key', ['agentId', 'version'], { unique: true })
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

  /** Where the blob store keeps it. */
  @Column({ type: 'varchar', length: 200 })
  storageRef: string;

  /** The validation report as answered at upload. */
  @Column({ type: 'json' })
  validation: object;

  @ForeignKey(() => User, { name: 'agent_binaries_uploader_fkey' })
  @Column('uuid')
  uploadedBy: string;

  @CreateDateColumn({ type: 'timestamptz' })
  createdAt: Date;
}
