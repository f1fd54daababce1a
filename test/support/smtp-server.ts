import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

export interface Mail {
  to: string;
  /** Headers and text, as sent. */
  data: string;
}

export interface SmtpServer {
  url: string;
  mails: Mail[];
  close(): Promise<void>;
}

/** A mail server that takes every mail and keeps it. */
export async function startSmtpServer(): Promise<SmtpServer> {
  const mails: Mail[] = [];
  const server = createServer((socket) => {
    let buffer = '';
    let to = '';
    let inData = false;
    const answer = (line: string): void => void socket.write(`${line}\r\n`);
    const take = (line: string): void => {
      const verb = line.slice(0, 4).toUpperCase();
      if (verb === 'RCPT') to = /<(.*)>/.exec(line)?.[1] ?? '';
      if (verb === 'DATA') inData = true;
      if (verb === 'QUIT') return void socket.end('221 bye\r\n');
      answer(inData ? '354 go on' : '250 ok');
    };
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      buffer += chunk.toString();
      for (;;) {
        const end = inData ? '\r\n.\r\n' : '\r\n';
        const at = buffer.indexOf(end);
        if (at < 0) return;
        const text = buffer.slice(0, at);
        buffer = buffer.slice(at + end.length);
        if (!inData) {
          take(text);
          continue;
        }
        inData = false;
        // Lines that were too long for mail come in pieces.
        mails.push({ to, data: text.replaceAll('=\r\n', '').replaceAll('=3D', '=') });
        answer('250 kept');
      }
    });
    answer('220 test');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    mails,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
