import { ApiProperty } from '@nestjs/swagger';
import { IsFlag, Optional } from '../common/validators.js';

/** Of a download. */
export class RedirectQuery {
  /** `false` answers the bytes themselves instead of an address that has them. */
  @ApiProperty({ type: 'boolean', required: false, default: true })
  @Optional()
  @IsFlag()
  redirect: boolean = true;
}
