import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import type { Environment } from '../config/index.js';
import { AccessTokens } from './access-tokens.js';
import { CredentialsDto, LoginDto, SessionDto, UserDto, presentUser } from './auth.dto.js';
import { Public } from './auth.guard.js';
import { AuthService } from './auth.service.js';
import { type Caller, CurrentCaller } from './caller.js';
import type { User } from './user.entity.js';

@ApiTags('auth')
@Controller('auth')
export class AuthController {
  private readonly ttl: number;

  constructor(
    private readonly auth: AuthService,
    private readonly tokens: AccessTokens,
    config: ConfigService<Environment, true>,
  ) {
    this.ttl = config.get('auth', { infer: true }).accessTokenTtl;
  }

  /** Opens an account and logs it in. */
  @Public()
  @Post('register')
  @ApiOperation({ operationId: 'register' })
  @ApiCreatedResponse({ type: SessionDto, description: 'The account, and an access token for it.' })
  @ApiProblems(400, 413, 415)
  @ApiProblem(409, {
    meaning: 'There is an account with this email.',
    code: 'EMAIL_TAKEN',
    detail: 'There is an account with this email: log in, or use another.',
  })
  async register(@Body() { email, password }: CredentialsDto): Promise<SessionDto> {
    return this.session(await this.auth.register(email, password));
  }

  /** Logs in: answers an access token. */
  @Public()
  @Post('login')
  @HttpCode(200)
  @ApiOperation({ operationId: 'login' })
  @ApiOkResponse({ type: SessionDto, description: 'An access token for the account.' })
  @ApiProblems(400, 413, 415)
  @ApiProblem(401, {
    meaning: 'The same for an unknown email and a wrong password.',
    code: 'WRONG_CREDENTIALS',
    detail: 'Email or password is wrong.',
  })
  async login(@Body() { email, password }: LoginDto): Promise<SessionDto> {
    return this.session(await this.auth.login(email, password));
  }

  /** Who the access token belongs to. */
  @Get('me')
  @ApiOperation({ operationId: 'getMe' })
  @ApiOkResponse({ type: UserDto, description: 'The account.' })
  @ApiProblems(401)
  async me(@CurrentCaller() caller: Caller): Promise<UserDto> {
    return presentUser(await this.auth.byId(caller.id));
  }

  private session(user: User): SessionDto {
    return {
      access_token: this.tokens.issue(user),
      token_type: 'Bearer',
      expires_in: this.ttl,
      user: presentUser(user),
    };
  }
}
