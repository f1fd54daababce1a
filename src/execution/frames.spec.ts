import { describe, expect, it } from '@jest/globals';
import { ZodError } from 'zod';
import { encodeFrame, FrameDecoder, PREFIX_BYTES } from './frames.js';
import { parseFromSandbox } from './from-sandbox.js';

const bytes = (pieces: Uint8Array[]): Buffer => Buffer.concat(pieces);

describe('frames', () => {
  const log = encodeFrame({ kind: 'log', lines: ['one', 'zwölf'] });
  const run = {
    kind: 'run',
    environment: {},
    timeoutMs: 5,
    limits: limits(),
    withheldStackKb: 7,
    outputAs: 'text',
  } as const;
  const payload = Buffer.from('payload');

  it('come out as they went in, however the stream is cut', () => {
    const stream = bytes([...log, ...encodeFrame(run, payload), ...log]);
    for (const size of [1, 3, 7, 20, stream.length]) {
      const decoder = new FrameDecoder(1000, 1000);
      const frames = [];
      for (let at = 0; at < stream.length; at += size) frames.push(...decoder.push(stream.subarray(at, at + size)));
      expect(frames.map(({ header }) => header)).toEqual([
        { kind: 'log', lines: ['one', 'zwölf'] },
        run,
        { kind: 'log', lines: ['one', 'zwölf'] },
      ]);
      expect(Buffer.from(frames[1].payload).toString()).toBe('payload');
    }
  });

  it('are refused on the strength of their length alone', () => {
    const prefix = bytes(encodeFrame(run, payload)).subarray(0, PREFIX_BYTES);
    expect(() => new FrameDecoder(1000, payload.length - 1).push(prefix)).toThrow('a payload of 7 bytes');
    expect(() => new FrameDecoder(10, 1000).push(prefix)).toThrow('a header of');
  });
});

describe('a header from a sandbox process', () => {
  it('is believed only when it is a message that such a process sends', () => {
    const usage = { cpuMs: 1, peakMemoryBytes: 3, bytesOut: 4, hostCalls: 5 };
    const report = { kind: 'report', outcome: { end: 'completed' }, usage };
    expect(parseFromSandbox(report)).toEqual(report);
    for (const forged of [
      null,
      { kind: 'load' },
      { ...report, outcome: { end: 'cancelled' } },
      { ...report, outcome: { end: 'trapped', trap: 'constructor', stderrTail: '' } },
      { ...report, usage: { ...usage, cpuMs: -1 } },
      { ...report, outcome: { end: 'out_of_memory', limitBytes: 0.5 } },
      { ...report, outcome: { end: 'refused', reason: '\0' } },
      { kind: 'log', lines: [1] },
    ]) {
      expect(() => parseFromSandbox(forged)).toThrow(ZodError);
    }
  });
});

function limits() {
  return {
    maxMemoryPages: 4,
    maxTableElements: 8,
    stackKb: 9,
    maxCpuMs: 5,
    maxOutputBytes: 1,
    maxStderrBytes: 2,
    maxStderrLines: 3,
    clockResolutionUs: 6,
  };
}
