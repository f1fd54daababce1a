import { Body, Controller, HttpCode, Param, Post, Put, Query, Req } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiCreatedResponse, ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request } from 'express';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { AppError } from '../common/app-error.js';
import { malformed } from '../common/dto.pipe.js';
import { NeedsRoom } from '../common/needs-room.js';
import { bodyOf, discardBody } from '../common/request-body.js';
import { QuotaConfig, StorageConfig } from '../config/index.js';
import { BlobLedger, Deposits, LocalDepositBox } from '../storage/index.js';
import { type Limit, RateLimits, retryAfter, type Verdict } from '../protection/index.js';
import { AnnounceDepositDto, DepositDto, DepositLinkQuery } from './deposit.dto.js';

/** Uploads in two steps: first the bytes, then the form that describes them. */
@ApiTags('binaries')
@Controller('deposits')
export class DepositsController {
  private readonly maxBinaryBytes: number;
  /** Bytes that one user announces. No row counts what lies there: it does so for as long as the window at the most. */
  private readonly announcing: Limit;

  constructor(
    private readonly deposits: Deposits,
    private readonly box: LocalDepositBox,
    private readonly ledger: BlobLedger,
    private readonly limits: RateLimits,
    { maxBinaryBytes, cleanupGraceMs, cleanupIntervalMs }: StorageConfig,
    { storedBytes }: QuotaConfig,
  ) {
    this.maxBinaryBytes = maxBinaryBytes;
    const seconds = Math.ceil((cleanupGraceMs + cleanupIntervalMs) / 1000);
    this.announcing = { name: 'deposits', points: storedBytes, seconds };
  }

  /**
   * Announces a binary that you will upload directly, and answers where to send it.
   * @remarks Send the answer's `upload` request with the bytes as its body. Then upload as usual, with the answer's
   *   `deposit` in the field `deposit` instead of the file. If binaries are stored in S3, the bytes go straight there.
   *   Both steps must be done within 15 minutes; unused deposits are deleted later.
   */
  @Post()
  @Access('agents:write')
  @ApiOperation({ operationId: 'announceDeposit' })
  @NeedsRoom()
  @ApiCreatedResponse({ type: DepositDto, description: 'Where to bring it, and what to call it then.' })
  @ApiProblems(400, 401, 403, 413, 415)
  async announce(@CurrentCaller() caller: Caller, @Body() announced: AnnounceDepositDto): Promise<DepositDto> {
    if (announced.size > this.maxBinaryBytes) {
      throw malformed([{ field: 'size', message: `must be at most ${this.maxBinaryBytes}` }]);
    }
    await this.ledger.expectRoom(caller.id, announced.size);
    const verdict = await this.limits.take(this.announcing, caller.id, announced.size);
    if (!verdict.allowed) throw tooMuch(verdict);
    const { token, upload, expiresAt } = await this.deposits.announce(caller.id, announced);
    return { deposit: token, upload, expires_at: expiresAt.toISOString() };
  }

  /**
   * Accepts the bytes of a deposit, at its signed address.
   * @remarks Do not build this address yourself: an announcement answers it if the store has no addresses of its own.
   * @param id from the announcement
   */
  @Put(':id/binary')
  @HttpCode(204)
  @Access('public')
  @ApiOperation({ operationId: 'bringDeposit' })
  @NeedsRoom()
  @ApiConsumes('application/wasm')
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiNoContentResponse({ description: 'The bytes have arrived.' })
  @ApiProblems(400, 413, 415)
  @ApiProblem(403, {
    meaning: 'The address has expired or is invalid.',
    code: 'LINK_EXPIRED',
    detail: 'This address has expired: announce the deposit again.',
  })
  async bring(@Param('id') id: string, @Query() link: DepositLinkQuery, @Req() request: Request): Promise<void> {
    if (!request.is('application/wasm')) {
      throw new AppError('unsupported', 'WASM_EXPECTED', 'Send the bytes with Content-Type: application/wasm.');
    }
    try {
      await this.box.take(id, link, () => bodyOf(request));
    } catch (error) {
      discardBody(request);
      throw error;
    }
  }
}

function tooMuch(verdict: Verdict): AppError {
  const { points, seconds } = verdict.limit;
  const wait = retryAfter(verdict);
  const message = `An account can announce ${points} bytes in ${seconds} s: upload the file itself, or try again in ${wait} s.`;
  return new AppError('exhausted', 'RATE_LIMITED', message, { retryAfter: wait });
}
