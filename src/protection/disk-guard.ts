import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { NEEDS_ROOM } from '../common/needs-room.js';
import { FreeDisk } from '../observability/index.js';

/** Refuses routes that store something while the disk is short of space, before their body is read. */
@Injectable()
export class DiskGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly disk: FreeDisk,
  ) {}

  /** @throws AppError `full` `DISK_FULL` */
  canActivate(context: ExecutionContext): boolean {
    const needsRoom = this.reflector.getAllAndOverride<boolean>(NEEDS_ROOM, [context.getHandler(), context.getClass()]);
    if (needsRoom) this.disk.assertRoom();
    return true;
  }
}
