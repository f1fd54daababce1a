import { Column, Entity, ForeignKey, PrimaryColumn } from 'typeorm';
import { Agent } from './agent.entity.js';

/** All votes of one account on one agent. The projection of statistics writes them. */
@Entity('agent_ratings')
export class AgentRating {
  @ForeignKey(() => Agent, { name: 'agent_ratings_agent_fkey' })
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'agent_ratings_pkey' })
  agentId: string;

  /** The account that voted. */
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'agent_ratings_pkey' })
  raterId: string;

  @Column('integer')
  votes: number;

  @Column('integer')
  ratingSum: number;
}
