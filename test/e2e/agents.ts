import { expectStatus, api, uploadAgent, type UploadForm } from '../support/client.js';
import { wat } from '../support/wat.js';

/**
 * An agent whose `_start` is `body`, in WebAssembly's text format. `$write (fd, address, length)` writes,
 * `{"ok":true}` stands at address 16 and `$ok` answers it; addresses from 1024 are free.
 */
export const agent = (body: string, declarations = ''): Promise<Buffer> =>
  wat(`(module
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
    (memory (export "memory") 2)
    (data (i32.const 16) "{\\"ok\\":true}")
    ${declarations}
    (func $write (param $fd i32) (param $at i32) (param $length i32)
      (i32.store (i32.const 0) (local.get $at))
      (i32.store (i32.const 4) (local.get $length))
      (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
    (func $ok (call $write (i32.const 1) (i32.const 16) (i32.const 11)))
    (func (export "_start") ${body}))`);

/** Answers `{"ok":true}` whatever the input. */
export const good = (): Promise<Buffer> => agent('(call $ok)');

/** Answers its input, of at most 64 KiB. */
export const echo = (): Promise<Buffer> =>
  agent(`(i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 65536))
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (call $write (i32.const 1) (i32.const 1024) (i32.load (i32.const 8)))`);

/** Answers its input, of any size. */
export const relay = (): Promise<Buffer> =>
  agent(`(loop $next
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 65536))
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (if (i32.load (i32.const 8)) (then
      (call $write (i32.const 1) (i32.const 1024) (i32.load (i32.const 8)))
      (br $next))))`);

export const FOREVER = '(loop $forever (br $forever))';

/** Runs until it is killed. */
export const endless = (): Promise<Buffer> => agent(FOREVER);

export const trapping = (): Promise<Buffer> => agent('unreachable');

/** Runs until it is killed in the first attempt at a task, and answers `{"ok":true}` in every later one. */
export const endlessAtFirst = (): Promise<Buffer> =>
  agent(`(drop (call $environ_sizes_get (i32.const 1024) (i32.const 1028)))
    (drop (call $environ_get (i32.const 2048) (i32.const 4096)))
    ;; The variables end with ZEROSTATE_ATTEMPT=<digit> and a NUL.
    (if (i32.eq (i32.load8_u (i32.add (i32.const 4094) (i32.load (i32.const 1028)))) (i32.const 49)) (then ${FOREVER}))
    (call $ok)`);

/** Says `step` on standard error as many times as told, 60 ms apart, then answers `{"ok":true}`. */
export const chatty = (steps: number): Promise<Buffer> =>
  agent(
    `(local $left i32)
    (local.set $left (i32.const ${steps}))
    (i32.store8 (i32.const 1040) (i32.const 0)) ;; subscription: a clock,
    (i32.store (i32.const 1048) (i32.const 1)) ;; the monotonic one,
    (i64.store (i32.const 1056) (i64.const 60000000)) ;; in so many ns from now
    (loop $next
      (call $write (i32.const 2) (i32.const 1024) (i32.const 5))
      (drop (call $poll_oneoff (i32.const 1032) (i32.const 1100) (i32.const 1) (i32.const 8)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $next (local.get $left)))
    (call $ok)`,
    String.raw`(data (i32.const 1024) "step\n")`,
  );

/** Uploads a binary that has to be accepted, as an agent of its own. @returns the agent's id */
export async function publish(url: string, token: string, slug: string, wasm: Uint8Array, form: UploadForm = {}) {
  return expectStatus(await uploadAgent(url, token, slug, wasm, form), 201).body.agent_id as string;
}

/** Submits a task that has to be accepted. @returns its id */
export async function submit(url: string, token: string, capability: string, fields: object = {}): Promise<string> {
  const task = { required_capabilities: [capability], budget: 10, input: {}, ...fields };
  return expectStatus(await api(url).post('/tasks', task, { token }), 202).body.id as string;
}

/** A task's whole history, oldest first. */
export async function history(url: string, token: string, taskId: string): Promise<FeedEvent[]> {
  const { body } = expectStatus(await api(url).get(`/tasks/${taskId}/events`, { token }), 200);
  return body.items as FeedEvent[];
}

export interface FeedEvent {
  seq: number;
  type: string;
  task_id: string | null;
  user_id: string | null;
  data: Record<string, any>;
  at: string;
  traceparent?: string;
}

export const typesOf = (events: readonly FeedEvent[]): string[] => events.map((event) => event.type);
export const seqsOf = (events: readonly FeedEvent[]): number[] => events.map((event) => event.seq);
