import { wat } from '../support/wat.js';

/** Length of a method's name in the input of `caller`, padded with spaces. */
const NAME_BYTES = 20;

/** The input by which `caller` makes a call. */
export const callOf = (method: string, request: unknown): [string, unknown] => [method.padEnd(NAME_BYTES), request];

/**
 * Makes the host call that its input names (`callOf`) and answers the host's answer.
 * @param times how often it makes the call; the last answer counts
 * @param ending what it does after it has answered
 */
export const caller = (times = 1, ending = ''): Promise<Buffer> =>
  wat(`(module
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "zerostate" "call" (func $call (param i32 i32 i32 i32) (result i32)))
    (import "zerostate" "read" (func $read (param i32 i32) (result i32)))
    (memory (export "memory") 80)
    (func (export "_start") (local $name i32) (local $length i32) (local $left i32)
      (i32.store (i32.const 0) (i32.const 1024))
      (i32.store (i32.const 4) (i32.const 2000000))
      (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (local.set $name (i32.const ${NAME_BYTES}))
      (loop $trim
        (if (i32.eq (i32.load8_u (i32.add (i32.const 1025) (local.get $name))) (i32.const 32)) (then
          (local.set $name (i32.sub (local.get $name) (i32.const 1)))
          (br $trim))))
      (local.set $left (i32.const ${times}))
      (loop $again
        (local.set $length (call $call (i32.const 1026) (local.get $name)
          (i32.const ${1024 + NAME_BYTES + 4}) (i32.sub (i32.load (i32.const 8)) (i32.const ${NAME_BYTES + 5}))))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $again (local.get $left)))
      (i32.store (i32.const 0) (i32.const 2100000))
      (i32.store (i32.const 4) (call $read (i32.const 2100000) (local.get $length)))
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      ${ending}))`);

/**
 * Submits the sub-task that its input names (`callOf('task.submit', …)`), waits for its end and answers what the wait answered.
 * Where the sub-task is refused, it answers the refusal.
 */
export const hirer = (): Promise<Buffer> =>
  wat(`(module
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "zerostate" "call" (func $call (param i32 i32 i32 i32) (result i32)))
    (import "zerostate" "read" (func $read (param i32 i32) (result i32)))
    (memory (export "memory") 80)
    (data (i32.const 64) "task.submit")
    (data (i32.const 96) "task.wait")
    (data (i32.const 128) "{\\"id\\":\\"------------------------------------\\"}")
    (func (export "_start") (local $length i32)
      (i32.store (i32.const 0) (i32.const 1024))
      (i32.store (i32.const 4) (i32.const 2000000))
      (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (local.set $length (call $call (i32.const 64) (i32.const 11)
        (i32.const ${1024 + NAME_BYTES + 4}) (i32.sub (i32.load (i32.const 8)) (i32.const ${NAME_BYTES + 5}))))
      (local.set $length (call $read (i32.const 2100000) (local.get $length)))
      ;; An answer that begins with {"id" is no error.
      (if (i32.eq (i32.load8_u (i32.const 2100002)) (i32.const 105)) (then
        (memory.copy (i32.const 135) (i32.const 2100007) (i32.const 36))
        (local.set $length (call $call (i32.const 96) (i32.const 9) (i32.const 128) (i32.const 45)))
        (local.set $length (call $read (i32.const 2100000) (local.get $length)))))
      (i32.store (i32.const 0) (i32.const 2100000))
      (i32.store (i32.const 4) (local.get $length))
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))`);
