import { IsIn, Matches } from 'class-validator';
import { Optional } from '../common/validators.js';

export class IpfsContentQuery {
  /** `raw` for the bytes, `car` for their blocks as CAR file (version 1). */
  @Optional()
  @IsIn(['raw', 'car'])
  format?: 'raw' | 'car' = 'raw';

  /** What the file is to be called. */
  @Optional()
  @Matches(/^[\w.+-]{1,200}$/)
  filename?: string;
}
