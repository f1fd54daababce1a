import { Body, Controller, Get, HttpCode, Ip, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { NeedsRoom } from '../common/needs-room.js';
import { AccessTokens } from './access-tokens.js';
import {
  CredentialsDto,
  DeleteAccountDto,
  LoginDto,
  PasswordDto,
  RefreshDto,
  SessionDto,
  UserDto,
  presentSession,
  presentUser,
} from './auth.dto.js';
import { AuthService } from './auth.service.js';
import { type Caller, CurrentCaller } from './caller.js';
import { type OpenSession, Sessions } from './sessions.js';

const TooManyAttempts = () =>
  ApiProblem(429, {
    meaning: 'Too many attempts failed, or too many requests; `Retry-After` says how many seconds to wait.',
    code: 'TOO_MANY_ATTEMPTS',
    detail: 'Too many attempts failed: try again in 900 s.',
  });

@ApiTags('auth')
@Controller('auth')
export class AuthController {
  constructor(
    private readonly auth: AuthService,
    private readonly sessions: Sessions,
    private readonly tokens: AccessTokens,
  ) {}

  /** Opens an account and logs it in. */
  @Access('public')
  @Post('register')
  @ApiOperation({ operationId: 'register' })
  @NeedsRoom()
  @ApiCreatedResponse({ type: SessionDto, description: 'The account, and tokens for it.' })
  @ApiProblems(400, 413, 415)
  @ApiProblem(403, {
    meaning: 'Only admins open accounts here.',
    code: 'REGISTRATION_CLOSED',
    detail: 'Registration is closed here: ask an administrator for an account.',
  })
  @ApiProblem(409, {
    meaning: 'There is an account with this email.',
    code: 'EMAIL_TAKEN',
    detail: 'There is an account with this email: log in, or use another.',
  })
  @TooManyAttempts()
  async register(@Body() { email, password }: CredentialsDto, @Ip() address: string): Promise<SessionDto> {
    return this.present(await this.auth.register(email, password, address));
  }

  /** Logs in: answers an access token, and a refresh token for the time after it. */
  @Access('public')
  @Post('login')
  @HttpCode(200)
  @ApiOperation({ operationId: 'login' })
  @ApiOkResponse({ type: SessionDto, description: 'Tokens for the account.' })
  @ApiProblems(400, 413, 415)
  @ApiProblem(401, {
    meaning: 'The same for an unknown email and a wrong password.',
    code: 'WRONG_CREDENTIALS',
    detail: 'Email or password is wrong.',
  })
  @ApiProblem(403, {
    meaning: 'The password is right, but the account is suspended.',
    code: 'ACCOUNT_SUSPENDED',
    detail: 'This account is suspended: ask an administrator of this installation.',
  })
  @TooManyAttempts()
  async login(@Body() { email, password }: LoginDto, @Ip() address: string): Promise<SessionDto> {
    return this.present(await this.auth.login(email, password, address));
  }

  /**
   * Gives new tokens for a refresh token.
   * @remarks A refresh token is good once. One that was used before ends the whole login, since somebody else may have it;
   * only within ten seconds the same answer is given again, for a client that has lost it.
   */
  @Access('public')
  @Post('refresh')
  @HttpCode(200)
  @ApiOperation({ operationId: 'refreshSession' })
  @ApiOkResponse({ type: SessionDto, description: 'The next access token and the next refresh token.' })
  @ApiProblems(400, 413, 415)
  @ApiProblem(401, {
    meaning: 'It is none, was used before, or its login has ended.',
    code: 'REFRESH_TOKEN_INVALID',
    detail: 'The refresh token is not good any more: log in again.',
  })
  @ApiProblem(403, {
    meaning: 'The account is suspended.',
    code: 'ACCOUNT_SUSPENDED',
    detail: 'This account is suspended: ask an administrator of this installation.',
  })
  async refresh(@Body() { refresh_token }: RefreshDto, @Ip() address: string): Promise<SessionDto> {
    return this.present(await this.sessions.refresh(refresh_token, address));
  }

  /** Ends this login: its access token and its refresh token are good no more. */
  @Access('session')
  @Post('logout')
  @HttpCode(204)
  @ApiOperation({ operationId: 'logout' })
  @ApiNoContentResponse({ description: 'It has ended.' })
  @ApiProblems(401, 403)
  logout(@CurrentCaller() caller: Caller): Promise<void> {
    return this.auth.logout(caller, false);
  }

  /** Ends every login of the account, this one included. API keys stay. */
  @Access('session')
  @Post('logout-all')
  @HttpCode(204)
  @ApiOperation({ operationId: 'logoutEverywhere' })
  @ApiNoContentResponse({ description: 'They have ended.' })
  @ApiProblems(401, 403)
  logoutEverywhere(@CurrentCaller() caller: Caller): Promise<void> {
    return this.auth.logout(caller, true);
  }

  /** Changes the password and ends every other login of the account. API keys stay. */
  @Access('session')
  @Post('password')
  @HttpCode(204)
  @ApiOperation({ operationId: 'changePassword' })
  @ApiNoContentResponse({ description: 'The new password is in force.' })
  @ApiProblems(400, 401, 403, 413, 415)
  @ApiProblem(422, {
    meaning: 'The current password is wrong.',
    code: 'WRONG_PASSWORD',
    detail: 'The current password is wrong.',
  })
  @TooManyAttempts()
  changePassword(@CurrentCaller() caller: Caller, @Body() dto: PasswordDto): Promise<void> {
    return this.auth.changePassword(caller, dto.current_password, dto.new_password);
  }

  /**
   * Deletes your account for good.
   * @remarks Asks for the password again. Logins and API keys end, your agents are retired, your tasks are cancelled and then deleted.
   */
  @Access('session')
  @Post('delete-account')
  @HttpCode(204)
  @ApiOperation({ operationId: 'deleteOwnAccount' })
  @ApiNoContentResponse({ description: 'The account is gone.' })
  @ApiProblems(400, 401, 403, 413, 415)
  @ApiProblem(409, {
    meaning: 'You are the last admin.',
    code: 'LAST_ADMIN',
    detail: 'This is the last admin: make another account admin first.',
  })
  @ApiProblem(422, {
    meaning: 'The password is wrong.',
    code: 'WRONG_PASSWORD',
    detail: 'The current password is wrong.',
  })
  @TooManyAttempts()
  deleteAccount(@CurrentCaller() caller: Caller, @Body() { password }: DeleteAccountDto): Promise<void> {
    return this.auth.deleteAccount(caller, password);
  }

  /** Who the access token belongs to. */
  @Access('account:read')
  @Get('me')
  @ApiOperation({ operationId: 'getMe' })
  @ApiOkResponse({ type: UserDto, description: 'The account.' })
  @ApiProblems(401, 403)
  async me(@CurrentCaller() caller: Caller): Promise<UserDto> {
    return presentUser(await this.auth.byId(caller.id));
  }

  private present(session: OpenSession): SessionDto {
    return presentSession(this.tokens, session);
  }
}
