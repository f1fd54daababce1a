import { Controller, Get, Inject, Param, Query, Res, StreamableFile } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Access } from '../common/access.js';
import { notFound } from '../common/app-error.js';
import { ApiStoredBytes } from './api-download.js';
import { IpfsContentQuery } from './ipfs.dto.js';
import { OPEN_IPFS, type OpenIpfs } from './ipfs-node.js';
import { serveBlob } from './serve-blob.js';

const MEDIA_TYPE = 'application/wasm';
const CAR_MEDIA_TYPE = 'application/vnd.ipld.car';

/** A gateway to the IPFS content that this installation has stored, and to no other. */
@ApiTags('binaries')
@Controller('ipfs')
export class IpfsController {
  constructor(@Inject(OPEN_IPFS) private readonly openIpfs: OpenIpfs) {}

  /**
   * Downloads an IPFS binary by its CID.
   * @remarks Serves only what was uploaded here; nothing is fetched from the network. `format=car` ignores `Range` and
   *   `If-None-Match`.
   * @param cid version 1, base32
   */
  @Get(':cid')
  @Access('public')
  @ApiOperation({ operationId: 'getIpfsContent' })
  @ApiStoredBytes('The bytes (their `ETag` is the CID), or their blocks.', MEDIA_TYPE, CAR_MEDIA_TYPE)
  async content(
    @Param('cid') cid: string,
    @Query() { format, filename }: IpfsContentQuery,
    @Res({ passthrough: true }) response: Response,
  ): Promise<StreamableFile | undefined> {
    // Only CIDs of this form are stored here; anything else could be a path.
    if (!/^b[a-z2-7]{58}$/.test(cid)) throw notFound('content');
    const node = await this.openIpfs();
    const size = await node.size(cid);
    if (size === undefined) throw notFound('content');
    if (format === 'car') {
      const disposition = `attachment; filename="${cid}.car"`;
      return new StreamableFile(await node.car(cid), { type: `${CAR_MEDIA_TYPE}; version=1`, disposition });
    }
    const file = { ref: cid, size, sha256: cid, filename: filename ?? `${cid}.wasm`, contentType: MEDIA_TYPE };
    return serveBlob({ get: (_ref, range) => node.content(cid, range) }, file, response);
  }
}
