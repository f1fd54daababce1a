import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiProblems } from './api-problems.js';

/** Metadata key of routes that are refused while the disk is short of space. */
export const NEEDS_ROOM = 'needs-room';

/**
 * Marks a route that stores what its caller brings: it answers 507 while the disk is short of space. Routes without the mark
 * go on, so people can log in, read, cancel and delete.
 */
export const NeedsRoom = () => applyDecorators(SetMetadata(NEEDS_ROOM, true), ApiProblems(507));
