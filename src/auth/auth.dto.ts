import { Transform } from 'class-transformer';
import { IsEmail, IsString, MaxLength, MinLength } from 'class-validator';
import { ApiId, ApiInteger, ApiTime } from '../common/api-schema.js';
import type { User, UserRole } from './user.entity.js';

/** Emails are compared, and kept, in lower case. */
const LowerCase = () => Transform(({ value }) => (typeof value === 'string' ? value.trim().toLowerCase() : value));

export class CredentialsDto {
  /** @example "ada@example.org" */
  @LowerCase()
  @IsEmail()
  @MaxLength(254)
  email: string;

  /**
   * At least 10 characters; any characters.
   * @example "correct horse battery"
   */
  @IsString()
  @MinLength(10)
  @MaxLength(200)
  password: string;
}

export class LoginDto {
  /** @example "ada@example.org" */
  @LowerCase()
  @IsEmail()
  email: string;

  /** @example "correct horse battery" */
  @IsString()
  @MaxLength(200)
  password: string;
}

export class UserDto {
  @ApiId()
  id: string;
  /**
   * Lower case.
   * @example "ada@example.org"
   */
  email: string;
  role: UserRole;
  @ApiTime()
  created_at: string;
}

export class SessionDto {
  /**
   * JWT for `Authorization: Bearer`.
   * @example "eyJhbGciOiJIUzI1NiIs…"
   */
  access_token: string;
  token_type: 'Bearer';
  /**
   * Seconds until the token expires.
   * @example 3600
   */
  @ApiInteger()
  expires_in: number;
  user: UserDto;
}

export const presentUser = (user: User): UserDto => ({
  id: user.id,
  email: user.email,
  role: user.role,
  created_at: user.createdAt.toISOString(),
});
