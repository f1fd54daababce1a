import { Transform } from 'class-transformer';
import { IsBoolean } from 'class-validator';
import { ApiProperty } from '@nestjs/swagger';
import { Optional } from '../common/validators.js';

/** Of a download. */
export class RedirectQuery {
  /** `false` answers the bytes themselves instead of an address that has them. */
  @ApiProperty({ type: 'boolean', required: false, default: true })
  @Optional()
  @Transform(({ value }) => (value === 'true' ? true : value === 'false' ? false : value))
  @IsBoolean()
  redirect: boolean = true;
}
