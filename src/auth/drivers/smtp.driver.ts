import { createTransport } from 'nodemailer';
import type { Mailer } from '../mailer.js';

/** How long a mail server may be silent, ms. */
const SILENCE_MS = 10_000;

/** Sends mail to an SMTP server, with one connection per mail, because mails are few. */
export class SmtpMailer implements Mailer {
  private readonly transport: ReturnType<typeof createTransport>;

  /** @param url `smtp://` or `smtps://`, with user and password where the server wants them */
  constructor(
    url: string,
    private readonly from: string,
  ) {
    this.transport = createTransport({
      url,
      connectionTimeout: SILENCE_MS,
      greetingTimeout: SILENCE_MS,
      socketTimeout: SILENCE_MS,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  }

  async send(mail: { to: string; subject: string; text: string }): Promise<void> {
    await this.transport.sendMail({ from: this.from, ...mail });
  }
}
