import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { Socket } from 'socket.io';
import type { Caller } from '../auth/index.js';
import type { FanOut } from './fan-out.js';
import { Listener } from './listener.js';

describe('a client that asks for the past', () => {
  it('again before it has read the last answer waits until it has', async () => {
    const listener = open();
    const answered: number[] = [];
    const answer = (number: number) =>
      listener.inTurn(async () => {
        answered.push(number);
        listener.queuedBytes = 2 * 1024 * 1024;
      });
    const answers = [answer(1), answer(2)];
    await pause(100);
    expect(answered).toEqual([1]);
    listener.queuedBytes = 0;
    await Promise.all(answers);
    expect(answered).toEqual([1, 2]);
  });

  it('goes on when one of its answers fails', async () => {
    const listener = open();
    const failing = listener.inTurn(() => Promise.reject(new Error('the database is away')));
    const next = listener.inTurn(() => Promise.resolve());
    await expect(failing).rejects.toThrow('the database is away');
    await next;
  });

  it('a hundred times over is refused, and may ask again once it reads', async () => {
    const listener = open();
    listener.queuedBytes = 2 * 1024 * 1024;
    const waiting = Array.from({ length: 100 }, () => listener.inTurn(() => Promise.resolve()));
    await expect(listener.inTurn(() => Promise.resolve())).rejects.toMatchObject({ code: 'TOO_MANY_MESSAGES' });
    listener.queuedBytes = 0;
    await Promise.all(waiting);
    await listener.inTurn(() => Promise.resolve());
  });

  it('and leaves is waited for no longer', async () => {
    const socket = { connected: true };
    const listener = open(socket);
    listener.queuedBytes = 2 * 1024 * 1024;
    const waiting = listener.inTurn(() => Promise.resolve());
    socket.connected = false;
    await waiting;
  });
});

const open = (socket = { connected: true }): Listener =>
  new Listener(socket as Socket, {} as Caller, '192.0.2.1', {} as FanOut<Listener>);
