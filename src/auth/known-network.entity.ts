import { Column, Entity, ForeignKey, PrimaryColumn } from 'typeorm';
import { User } from './user.entity.js';

/** A network that an account has logged in from: an IPv4 address, or the /64 of an IPv6 address. */
@Entity('known_networks')
export class KnownNetwork {
  @ForeignKey(() => User, { name: 'known_networks_user_fkey', onDelete: 'CASCADE' })
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'known_networks_pkey' })
  userId: string;

  @PrimaryColumn({ type: 'varchar', length: 45, primaryKeyConstraintName: 'known_networks_pkey' })
  network: string;

  /** The last login from there, to the day. */
  @Column({ type: 'timestamptz', default: () => 'now()' })
  seenAt: Date;
}
