import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import {
  ApiBody,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { checkedDto, malformed } from '../common/dto.pipe.js';
import { AccountsService } from './accounts.service.js';
import {
  AccountDto,
  AccountPage,
  ChangeAccountDto,
  CreateAccountDto,
  ListAccountsQuery,
  SuspendAccountDto,
  presentAccount,
} from './accounts.dto.js';
import { AuditPage, AuditQuery } from './audit.dto.js';
import { PasswordResetDto } from './auth.dto.js';
import { AuditTrail } from './audit-trail.js';
import { AuthService } from './auth.service.js';
import { type Caller, CurrentCaller } from './caller.js';
import { PasswordResets } from './password-resets.js';

const LastAdmin = () =>
  ApiProblem(409, {
    meaning: 'It is the last admin.',
    code: 'LAST_ADMIN',
    detail: 'This is the last admin: make another account admin first.',
  });

@ApiTags('accounts')
@Access('admin')
@Controller()
export class AccountsController {
  constructor(
    private readonly accounts: AccountsService,
    private readonly auth: AuthService,
    private readonly audit: AuditTrail,
    private readonly resets: PasswordResets,
  ) {}

  /** All accounts, newest first. */
  @Get('users')
  @ApiOperation({ operationId: 'listAccounts' })
  @ApiOkResponse({ type: AccountPage, description: 'A page of accounts.' })
  @ApiProblems(400, 401, 403)
  list(@Query() query: ListAccountsQuery): Promise<AccountPage> {
    return this.accounts.list(query);
  }

  /** Opens an account for somebody, also where registration is closed. */
  @Post('users')
  @ApiOperation({ operationId: 'createAccount' })
  @ApiCreatedResponse({ type: AccountDto, description: 'The account.' })
  @ApiProblems(400, 401, 403, 413, 415)
  @ApiProblem(409, {
    meaning: 'There is an account with this email.',
    code: 'EMAIL_TAKEN',
    detail: 'There is an account with this email: log in, or use another.',
  })
  async create(
    @CurrentCaller() caller: Caller,
    @Body() { email, password, role }: CreateAccountDto,
  ): Promise<AccountDto> {
    return presentAccount(await this.auth.create(email, password, role, caller));
  }

  /**
   * One account.
   * @param id UUID of the account
   */
  @Get('users/:id')
  @ApiOperation({ operationId: 'getAccount' })
  @ApiOkResponse({ type: AccountDto, description: 'The account.' })
  @ApiProblems(401, 403, 404)
  async get(@Param('id') id: string): Promise<AccountDto> {
    return presentAccount(await this.accounts.get(id));
  }

  /**
   * Changes an account's role, or its share of the workers. A new role applies at once, also to open sessions.
   * @param id UUID of the account
   */
  @Patch('users/:id')
  @ApiOperation({ operationId: 'changeAccount' })
  @ApiOkResponse({ type: AccountDto, description: 'The account after the change.' })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  @LastAdmin()
  async change(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Body() { role, queue_weight }: ChangeAccountDto,
  ): Promise<AccountDto> {
    if (role === undefined && queue_weight === undefined)
      throw malformed([{ field: '', message: 'give role, queue_weight or both' }]);
    return presentAccount(await this.accounts.update(caller, id, { role, queueWeight: queue_weight }));
  }

  /**
   * Suspends an account: its logins end, its API keys are refused, its agents stop bidding and its tasks are cancelled.
   * @remarks The reason is shown to the account's user, and stands in the audit trail. Once more changes the reason.
   * @param id UUID of the account
   */
  @Post('users/:id/suspend')
  @HttpCode(200)
  @ApiOperation({ operationId: 'suspendAccount' })
  @ApiOkResponse({ type: AccountDto, description: 'The account, suspended.' })
  @ApiBody({ type: SuspendAccountDto, required: false })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  @LastAdmin()
  async suspend(@CurrentCaller() caller: Caller, @Param('id') id: string, @Body() body: unknown): Promise<AccountDto> {
    const { reason } = checkedDto(SuspendAccountDto, body ?? {});
    return presentAccount(await this.accounts.suspend(caller, id, reason ?? null));
  }

  /**
   * Lets a suspended account log in again; its API keys are good again, and its agents bid again. Cancelled tasks stay so.
   * @param id UUID of the account
   */
  @Post('users/:id/unsuspend')
  @HttpCode(200)
  @ApiOperation({ operationId: 'unsuspendAccount' })
  @ApiOkResponse({ type: AccountDto, description: 'The account, not suspended.' })
  @ApiProblems(401, 403, 404)
  async unsuspend(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<AccountDto> {
    return presentAccount(await this.accounts.unsuspend(caller, id));
  }

  /**
   * A token that sets a new password of an account, for an admin to hand over.
   * @remarks It is shown this once, is good for one use, and takes the place of earlier ones.
   * @param id UUID of the account
   */
  @Post('users/:id/password-reset')
  @ApiOperation({ operationId: 'issuePasswordReset' })
  @ApiCreatedResponse({ type: PasswordResetDto, description: 'The token.' })
  @ApiProblems(401, 403, 404)
  resetPassword(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<PasswordResetDto> {
    return this.resets.issue(caller, id);
  }

  /**
   * Deletes an account for good: personal data goes, agents are retired, tasks are cancelled and then deleted.
   * @remarks Its id stays in the audit trail and in what others have of it. Its email is free again.
   * @param id UUID of the account
   */
  @Delete('users/:id')
  @HttpCode(204)
  @ApiOperation({ operationId: 'deleteAccount' })
  @ApiNoContentResponse({ description: 'The account is gone.' })
  @ApiProblems(401, 403, 404)
  @LastAdmin()
  delete(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<void> {
    return this.accounts.delete(caller, id);
  }

  /** The security-relevant acts, newest first. Nobody can change or remove one. */
  @Get('audit')
  @ApiOperation({ operationId: 'listAuditEvents' })
  @ApiOkResponse({ type: AuditPage, description: 'A page of acts.' })
  @ApiProblems(400, 401, 403)
  trail(@Query() query: AuditQuery): Promise<AuditPage> {
    return this.audit.list(query);
  }
}
