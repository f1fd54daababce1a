/** Sends mail. */
export interface Mailer {
  /** @param mail plain text @throws Error if the mail server refuses it */
  send(mail: { to: string; subject: string; text: string }): Promise<void>;
}

/** Injection token: the installation's `Mailer`; null if none is configured. */
export const MAILER = Symbol('Mailer');
