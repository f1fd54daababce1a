/**
 * What an interpreter asks of a system while an agent is bundled: output, clocks, randomness. Everything else is refused:
 * it gets no files, no environment and no network of the machine that bundles. The C library looks for directories at
 * its start, which is here: it finds that of host calls, which is there in a task that may call the host.
 */
import { createHash, randomFillSync } from 'node:crypto';
import { writeSync } from 'node:fs';

const DIRECTORY = 3;
const SOCKET_STREAM = 6;
const EBADF = 8;
const ENOSYS = 52;
const ESPIPE = 70;
/** Where the methods of host calls are, as files, and its descriptor in a task. */
const CALLS = Buffer.from('/zerostate');
const CALLS_FD = 3;
const EPOCH = process.env.SOURCE_DATE_EPOCH;

/** The interpreter ended the process. */
export class ExitCode extends Error {}

/**
 * @param memory returns the instance's memory
 * @param seed bytes that randomness comes from when SOURCE_DATE_EPOCH asks for the same binary each time
 * @returns the imports of the module
 */
export function bundlingHost(module, memory, seed) {
  const view = () => new DataView(memory().buffer);
  let drawn = 0;
  const functions = {
    fd_write(fd, vectors, count, written) {
      let total = 0;
      for (let i = 0; i < count; i++) {
        const address = view().getUint32(vectors + 8 * i, true);
        const length = view().getUint32(vectors + 8 * i + 4, true);
        writeSync(2, new Uint8Array(memory().buffer, address, length)); // the script's output is for its author
        total += length;
      }
      view().setUint32(written, total, true);
      return 0;
    },
    fd_read(fd, vectors, count, got) {
      view().setUint32(got, 0, true);
      return 0;
    },
    fd_fdstat_get(fd, address) {
      if (fd > CALLS_FD) return EBADF;
      new Uint8Array(memory().buffer, address, 24).fill(0);
      view().setUint8(address, fd === CALLS_FD ? DIRECTORY : SOCKET_STREAM); // no terminal: output is buffered
      view().setBigUint64(address + 8, 0x42n, true);
      return 0;
    },
    fd_filestat_get(fd, address) {
      if (fd > 2) return EBADF;
      new Uint8Array(memory().buffer, address, 64).fill(0);
      view().setUint8(address + 16, SOCKET_STREAM);
      return 0;
    },
    fd_seek: () => ESPIPE,
    fd_tell: () => ESPIPE,
    fd_close: () => EBADF,
    fd_prestat_get(fd, address) {
      if (fd !== CALLS_FD) return EBADF;
      view().setUint32(address, 0, true);
      view().setUint32(address + 4, CALLS.length, true);
      return 0;
    },
    fd_prestat_dir_name(fd, address, length) {
      if (fd !== CALLS_FD || length < CALLS.length) return EBADF;
      new Uint8Array(memory().buffer, address, CALLS.length).set(CALLS);
      return 0;
    },
    environ_sizes_get: none,
    environ_get: () => 0,
    args_sizes_get: none,
    args_get: () => 0,
    clock_time_get(id, precision, address) {
      const now = id === 0 ? BigInt(Date.now()) * 1_000_000n : process.hrtime.bigint();
      view().setBigUint64(address, EPOCH ? BigInt(EPOCH) * 1_000_000_000n : now, true);
      return 0;
    },
    clock_res_get(id, address) {
      view().setBigUint64(address, 1_000_000n, true);
      return 0;
    },
    random_get(address, length) {
      const target = new Uint8Array(memory().buffer, address, length);
      if (!EPOCH) return (randomFillSync(target), 0);
      for (let at = 0; at < length; at += 32) {
        const block = createHash('sha256').update(seed).update(String(drawn++)).digest();
        target.set(block.subarray(0, Math.min(32, length - at)), at);
      }
      return 0;
    },
    proc_exit(code) {
      throw new ExitCode(`exit code ${code}`);
    },
  };
  return Object.fromEntries(
    WebAssembly.Module.imports(module).map(({ name }) => [name, functions[name] ?? (() => ENOSYS)]),
  );

  function none(count, size) {
    view().setUint32(count, 0, true);
    view().setUint32(size, 0, true);
    return 0;
  }
}
