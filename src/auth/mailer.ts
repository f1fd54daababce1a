/** How mail leaves the installation. */
export interface Mailer {
  /** @param mail plain text @throws Error when the mail server does not take it */
  send(mail: { to: string; subject: string; text: string }): Promise<void>;
}

/** Injection token: the installation's `Mailer`; null where none is configured. */
export const MAILER = Symbol('Mailer');
