import { Length, Matches, ValidateBy } from 'class-validator';
import { isPublicHostName } from '../common/public-host.js';

/** Names of secrets, as `{{secret:NAME}}` names them. */
export const SECRET_NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;

export class SetSecretDto {
  /**
   * Visible ASCII characters and spaces inside, as they are written into a header. Short values are refused: they could
   * be part of any answer.
   * @example "sk-live-4f1c9a7d"
   */
  @Length(8, 4096)
  @Matches(/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/, { message: 'value must consist of visible ASCII characters' })
  value: string;

  /**
   * Full name of the only host that gets it, over https.
   * @example "api.github.com"
   */
  @ValidateBy({
    name: 'isPublicHostName',
    validator: {
      validate: isPublicHostName,
      defaultMessage: () => 'host must be the full lower-case name of a public host, such as api.github.com',
    },
  })
  host: string;
}

/** A secret without its value, which is never shown. */
export class SecretDto {
  /**
   * Headers name it as `{{secret:NAME}}`.
   * @example "GITHUB_TOKEN"
   */
  name: string;

  /**
   * The only host that gets it.
   * @example "api.github.com"
   */
  host: string;

  /**
   * When it was set last.
   * @example "2026-11-26T18:00:00Z"
   */
  set_at: string;
}

/** Every secret of an agent; at most 32. */
export class SecretsDto {
  items: SecretDto[];
}
