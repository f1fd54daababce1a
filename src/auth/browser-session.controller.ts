import { Body, Controller, HttpCode, Ip, Post, Req, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { NeedsRoom } from '../common/needs-room.js';
import { AccessTokens } from './access-tokens.js';
import { BrowserSessionDto, CredentialsDto, LoginDto, presentSession } from './auth.dto.js';
import { AuthService } from './auth.service.js';
import { assertSameOrigin, forgetToken, keepToken, tokenOf } from './browser-session.js';
import { type Caller, CurrentCaller } from './caller.js';
import { type OpenSession, Sessions } from './sessions.js';

const OtherSite = () =>
  ApiProblem(403, {
    meaning: 'The request does not come from a page of this server.',
    code: 'CROSS_SITE_REQUEST',
    detail: 'Only the console of this server may use this route. Programs log in with POST /api/v1/auth/login.',
  });

/**
 * Logins of the console. The refresh token is in a cookie that scripts cannot read and that browsers send to these
 * routes only; the access token is in the answer. `docs/security.md` tells why.
 */
@ApiTags('auth')
@OtherSite()
@Controller('auth/session')
export class BrowserSessionController {
  constructor(
    private readonly auth: AuthService,
    private readonly sessions: Sessions,
    private readonly tokens: AccessTokens,
  ) {}

  /** Opens an account from the console, and logs it in. */
  @Access('public')
  @Post('register')
  @ApiOperation({ operationId: 'registerInBrowser' })
  @NeedsRoom()
  @ApiCreatedResponse({ type: BrowserSessionDto, description: 'The account, and an access token for it.' })
  @ApiProblems(400, 409, 413, 415, 429)
  async register(
    @Body() { email, password }: CredentialsDto,
    @Ip() address: string,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<BrowserSessionDto> {
    assertSameOrigin(request);
    return this.answer(request, response, await this.auth.register(email, password, address));
  }

  /** Logs in from the console. */
  @Access('public')
  @Post('login')
  @HttpCode(200)
  @ApiOperation({ operationId: 'loginInBrowser' })
  @ApiOkResponse({ type: BrowserSessionDto, description: 'An access token; the cookie has the refresh token.' })
  @ApiProblems(400, 401, 413, 415, 429)
  async login(
    @Body() { email, password }: LoginDto,
    @Ip() address: string,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<BrowserSessionDto> {
    assertSameOrigin(request);
    return this.answer(request, response, await this.auth.login(email, password, address));
  }

  /** Gives the console a new access token for its cookie, and the next cookie. */
  @Access('public')
  @Post('refresh')
  @HttpCode(200)
  @ApiOperation({ operationId: 'refreshInBrowser' })
  @ApiOkResponse({ type: BrowserSessionDto, description: 'The next access token.' })
  @ApiProblems(401)
  async refresh(
    @Ip() address: string,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<BrowserSessionDto> {
    assertSameOrigin(request);
    return this.answer(request, response, await this.sessions.refresh(tokenOf(request), address));
  }

  /** Ends the console's login and deletes its cookie. */
  @Access('session')
  @Post('logout')
  @HttpCode(204)
  @ApiOperation({ operationId: 'logoutInBrowser' })
  @ApiNoContentResponse({ description: 'It has ended.' })
  @ApiProblems(401)
  async logout(
    @CurrentCaller() caller: Caller,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<void> {
    assertSameOrigin(request);
    await this.auth.logout(caller, false);
    forgetToken(request, response);
  }

  private answer(request: Request, response: Response, session: OpenSession): BrowserSessionDto {
    const { refresh_token, ...shown } = presentSession(this.tokens, session);
    keepToken(request, response, refresh_token, session.expiresAt);
    return shown;
  }
}
