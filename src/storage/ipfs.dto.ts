import { IsIn, IsOptional, Matches } from 'class-validator';

export class IpfsContentQuery {
  /** `raw` for the bytes, `car` for their blocks as CAR file (version 1). */
  @IsOptional()
  @IsIn(['raw', 'car'])
  format?: 'raw' | 'car' = 'raw';

  /** What the file is to be called. */
  @IsOptional()
  @Matches(/^[\w.+-]{1,200}$/)
  filename?: string;
}
