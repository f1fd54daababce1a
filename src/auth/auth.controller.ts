import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { ApiTags } from '@nestjs/swagger';
import { ApiProblems } from '../common/api-problems.js';
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
  @ApiProblems(400, 409)
  async register(@Body() { email, password }: CredentialsDto): Promise<SessionDto> {
    return this.session(await this.auth.register(email, password));
  }

  /** Answers an access token. */
  @Public()
  @Post('login')
  @HttpCode(200)
  @ApiProblems(400, 401)
  async login(@Body() { email, password }: LoginDto): Promise<SessionDto> {
    return this.session(await this.auth.login(email, password));
  }

  /** Who the access token belongs to. */
  @Get('me')
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
