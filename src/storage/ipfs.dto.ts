import { IsIn, Matches } from 'class-validator';
import { Optional } from '../common/validators.js';

export class IpfsContentQuery {
  /** `raw` for the bytes, `car` for their blocks as a CAR file (version 1). */
  @Optional()
  @IsIn(['raw', 'car'])
  format?: 'raw' | 'car' = 'raw';

  /** File name for the download. */
  @Optional()
  @Matches(/^[\w.+-]{1,200}$/)
  filename?: string;
}
