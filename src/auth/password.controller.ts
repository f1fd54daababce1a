import { Body, Controller, HttpCode, Ip, Post } from '@nestjs/common';
import { ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { EmailDto, ResetPasswordDto } from './auth.dto.js';
import { PasswordResets } from './password-resets.js';

@ApiTags('auth')
@Access('public')
@Controller()
export class PasswordController {
  constructor(private readonly resets: PasswordResets) {}

  /**
   * Mails you a token that sets a new password.
   * @remarks The answer is the same whether or not there is an account with this email. At most three mails an hour reach one account.
   */
  @Post('auth/password/forgot')
  @HttpCode(204)
  @ApiOperation({ operationId: 'forgotPassword' })
  @ApiNoContentResponse({ description: 'If there is such an account, the mail is on its way.' })
  @ApiProblems(400, 413, 415)
  @ApiProblem(403, {
    meaning: 'The server sends no mail.',
    code: 'MAIL_NOT_CONFIGURED',
    detail: 'This installation sends no mail: ask an administrator for a link that resets your password.',
  })
  forgot(@Body() { email }: EmailDto, @Ip() address: string): Promise<void> {
    return this.resets.forgot(email, address);
  }

  /**
   * Sets a new password with a token from a mail or from an admin.
   * @remarks The token is used up, and every login of the account ends. API keys stay.
   */
  @Post('auth/password/reset')
  @HttpCode(204)
  @ApiOperation({ operationId: 'resetPassword' })
  @ApiNoContentResponse({ description: 'The new password is in force.' })
  @ApiProblems(400, 413, 415)
  @ApiProblem(422, {
    meaning: 'The token is wrong, used or expired.',
    code: 'RESET_TOKEN_INVALID',
    detail: 'The token is wrong, used or expired: ask for another one.',
  })
  reset(@Body() { token, new_password }: ResetPasswordDto, @Ip() address: string): Promise<void> {
    return this.resets.reset(token, new_password, address);
  }
}
