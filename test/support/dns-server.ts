import { createSocket } from 'node:dgram';
import { once } from 'node:events';

export interface DnsServer {
  /** `address:port`. */
  address: string;
  /** Each question so far, such as `A service.example.com`. */
  questions: string[];
  close(): Promise<void>;
}

/** Addresses of a name at its `n`-th question of that type, from 0; null: the server stays silent. */
export type Zone = (name: string, type: 'A' | 'AAAA', n: number) => string[] | null;

const TYPES: Record<number, 'A' | 'AAAA'> = { 1: 'A', 28: 'AAAA' };
const NXDOMAIN = 3;

/** A name server over UDP on a free port. A name without addresses of either type does not exist. */
export async function startDnsServer(zone: Zone): Promise<DnsServer> {
  const questions: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address }) => {
    const { name, end } = readName(query);
    const type = TYPES[query.readUInt16BE(end)];
    const question = `${type} ${name}`;
    const found = type && zone(name, type, questions.filter((asked) => asked === question).length);
    questions.push(question);
    if (found === null) return;
    const answers = (found ?? []).map((one) => record(type, bytesOf(one)));
    const head = Buffer.from(query.subarray(0, 12));
    const isUnknown = answers.length === 0 && !zone(name, type === 'A' ? 'AAAA' : 'A', 0)?.length;
    head.writeUInt16BE(0x8180 | (isUnknown ? NXDOMAIN : 0), 2);
    head.writeUInt16BE(answers.length, 6);
    head.fill(0, 8, 12);
    socket.send(Buffer.concat([head, query.subarray(12, end + 4), ...answers]), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${socket.address().port}`,
    questions,
    close: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
}

/** @returns the name of the question, and where it ends */
function readName(query: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (; query[at] !== 0; at += query[at] + 1) labels.push(query.toString('latin1', at + 1, at + 1 + query[at]));
  return { name: labels.join('.').toLowerCase(), end: at + 1 };
}

function record(type: string, data: Buffer): Buffer {
  const head = Buffer.from('c00c00010001000000000000', 'hex'); // the question's name, class IN, no life
  head.writeUInt16BE(type === 'A' ? 1 : 28, 2);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function bytesOf(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number));
  const [before, after = ''] = address.split('::');
  const parts = (text: string): number[] => (text === '' ? [] : text.split(':').map((part) => parseInt(part, 16)));
  const zeros = Array<number>(8 - parts(before).length - parts(after).length).fill(0);
  return Buffer.from([...parts(before), ...zeros, ...parts(after)].flatMap((part) => [part >> 8, part & 255]));
}
