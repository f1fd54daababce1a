import { ApiProperty } from '@nestjs/swagger';
import { IsFlag, Optional } from '../common/validators.js';

export class RedirectQuery {
  /** `false` answers the bytes themselves instead of a redirect. */
  @ApiProperty({ type: 'boolean', required: false, default: true })
  @Optional()
  @IsFlag()
  redirect: boolean = true;
}
