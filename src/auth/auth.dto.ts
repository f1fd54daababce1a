import { Transform } from 'class-transformer';
import { IsEmail, IsString, MinLength } from 'class-validator';
import { ApiProperty, OmitType } from '@nestjs/swagger';
import { ApiId, ApiInteger, ApiTime } from '../common/api-schema.js';
import { IsPlainText, MaxLength } from '../common/validators.js';
import type { AccessTokens } from './access-tokens.js';
import type { OpenSession } from './sessions.js';
import type { User, UserRole } from './user.entity.js';

/** Emails are compared, and kept, in lower case. */
export const LowerCase = () =>
  Transform(({ value }) => (typeof value === 'string' ? value.trim().toLowerCase() : value));

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

export class RefreshDto {
  /**
   * As the last answer gave it. It is good once.
   * @example "zsr_01993c5e-8a1b-7c3d-9e4f-5a6b7c8d9e0f.0.ybW3YjvCb0JbqDUnSFu1Bv1PkbPPcFhcTuGwHyXGSzA"
   */
  @IsString()
  @IsPlainText()
  @MaxLength(200)
  refresh_token: string;
}

export class PasswordDto {
  /** @example "correct horse battery" */
  @IsString()
  @MaxLength(200)
  current_password: string;

  /**
   * At least 10 characters; any characters.
   * @example "staple battery horse correct"
   */
  @IsString()
  @MinLength(10)
  @MaxLength(200)
  new_password: string;
}

export class EmailDto {
  /** @example "ada@example.org" */
  @LowerCase()
  @IsEmail()
  @MaxLength(254)
  email: string;
}

export class ResetPasswordDto {
  /**
   * From the mail, or from an admin. It is good once.
   * @example "pX1jQb8…"
   */
  @IsString()
  @IsPlainText()
  @MaxLength(200)
  token: string;

  /**
   * At least 10 characters; any characters.
   * @example "staple battery horse correct"
   */
  @IsString()
  @MinLength(10)
  @MaxLength(200)
  new_password: string;
}

export class PasswordResetDto {
  /**
   * For `POST /auth/password/reset`. It is shown this once.
   * @example "pX1jQb8…"
   */
  token: string;
  /**
   * The same as a link, where the server has a page for it; else null.
   * @example "https://market.example.org/reset#token=pX1jQb8…"
   */
  @ApiProperty({ type: 'string', nullable: true })
  url: string | null;
  @ApiTime()
  expires_at: string;
}

export class DeleteAccountDto {
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
   * Seconds until the access token expires: no later than its login.
   * @example 900
   */
  @ApiInteger()
  expires_in: number;
  /**
   * For `POST /auth/refresh`, once: the answer has the next.
   * @example "zsr_01993c5e-8a1b-7c3d-9e4f-5a6b7c8d9e0f.0.ybW3YjvCb0JbqDUnSFu1Bv1PkbPPcFhcTuGwHyXGSzA"
   */
  refresh_token: string;
  /** When the login ends, however often it is refreshed. */
  @ApiTime()
  refresh_expires_at: string;
  user: UserDto;
}

/** A login of the console: the refresh token is in its cookie. */
export class BrowserSessionDto extends OmitType(SessionDto, ['refresh_token']) {}

export const presentUser = (user: User): UserDto => ({
  id: user.id,
  email: user.email,
  role: user.role,
  created_at: user.createdAt.toISOString(),
});

export function presentSession(
  tokens: AccessTokens,
  { user, sessionId, refreshToken, expiresAt }: OpenSession,
): SessionDto {
  const { token, expiresIn } = tokens.issue({ id: user.id, role: user.role, sessionId }, expiresAt);
  return {
    access_token: token,
    token_type: 'Bearer',
    expires_in: expiresIn,
    refresh_token: refreshToken,
    refresh_expires_at: expiresAt.toISOString(),
    user: presentUser(user),
  };
}
