import { Controller, Get, Inject, Param, Query, Res, type StreamableFile } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Access } from '../common/access.js';
import { ApiProblem } from '../common/api-problems.js';
import { ApiStoredBytes } from './api-download.js';
import { BlobLinkQuery } from './blob-link.dto.js';
import { BlobLinks } from './blob-links.js';
import { BLOB_STORE, type BlobStore } from './blob-store.js';
import { serveBlob } from './serve-blob.js';

/** Serves the addresses that `BlobLinks` makes. */
@ApiTags('binaries')
@Controller('blobs')
export class BlobsController {
  constructor(
    @Inject(BLOB_STORE) private readonly blobs: BlobStore,
    private readonly links: BlobLinks,
  ) {}

  /**
   * Downloads stored bytes by their signed address.
   * @remarks Do not build these addresses yourself: a download redirects here if its store has no addresses of its own.
   * @param ref reference of the blob
   */
  @Get(':ref')
  @Access('public')
  @ApiOperation({ operationId: 'downloadBlob' })
  @ApiStoredBytes('The bytes; `ETag` is their SHA-256.', 'application/wasm', 'application/json')
  @ApiProblem(403, {
    meaning: 'The address has expired or is invalid.',
    code: 'LINK_EXPIRED',
    detail: 'This address has expired: request the download again.',
  })
  async download(
    @Param('ref') ref: string,
    @Query() link: BlobLinkQuery,
    @Res({ passthrough: true }) response: Response,
  ): Promise<StreamableFile | undefined> {
    this.links.assertGood(ref, link);
    const { filename, type: contentType } = link;
    return serveBlob(this.blobs, { ref, ...(await this.blobs.stat(ref)), filename, contentType }, response);
  }
}
