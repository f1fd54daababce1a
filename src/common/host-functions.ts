/**
 * Every function a WebAssembly module may import, by module and name, with its signature. The sandbox's host provides
 * these, and validation accepts no others. Both read this one table, so they cannot drift apart.
 *
 * `wasi_snapshot_preview1` is WASI preview 1 as published
 * (https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md); pointers and sizes are `i32`.
 * `env.abort(message, file, line, column)` is what AssemblyScript calls for a failed assertion.
 * `env.emscripten_notify_memory_growth(memory)` is what Emscripten's standalone modules call after growth; nothing happens.
 *
 * Signatures matter: V8 links an import with a wrong signature and fails only when it is called.
 */
export type ValueType = 'i32' | 'i64' | 'f32' | 'f64';

export interface FunctionSignature {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** `i` is i32, `I` is i64; every WASI function except `proc_exit` returns an errno. */
const wasi = (params: string): FunctionSignature => ({ params: types(params), results: ['i32'] });
const types = (letters: string): ValueType[] => [...letters].map((letter) => (letter === 'I' ? 'i64' : 'i32'));

const wasiPreview1 = {
  args_get: wasi('ii'),
  args_sizes_get: wasi('ii'),
  environ_get: wasi('ii'),
  environ_sizes_get: wasi('ii'),
  clock_res_get: wasi('ii'),
  clock_time_get: wasi('iIi'),
  fd_advise: wasi('iIIi'),
  fd_allocate: wasi('iII'),
  fd_close: wasi('i'),
  fd_datasync: wasi('i'),
  fd_fdstat_get: wasi('ii'),
  fd_fdstat_set_flags: wasi('ii'),
  fd_fdstat_set_rights: wasi('iII'),
  fd_filestat_get: wasi('ii'),
  fd_filestat_set_size: wasi('iI'),
  fd_filestat_set_times: wasi('iIIi'),
  fd_pread: wasi('iiiIi'),
  fd_prestat_get: wasi('ii'),
  fd_prestat_dir_name: wasi('iii'),
  fd_pwrite: wasi('iiiIi'),
  fd_read: wasi('iiii'),
  fd_readdir: wasi('iiiIi'),
  fd_renumber: wasi('ii'),
  fd_seek: wasi('iIii'),
  fd_sync: wasi('i'),
  fd_tell: wasi('ii'),
  fd_write: wasi('iiii'),
  path_create_directory: wasi('iii'),
  path_filestat_get: wasi('iiiii'),
  path_filestat_set_times: wasi('iiiiIIi'),
  path_link: wasi('iiiiiii'),
  path_open: wasi('iiiiiIIii'),
  path_readlink: wasi('iiiiii'),
  path_remove_directory: wasi('iii'),
  path_rename: wasi('iiiiii'),
  path_symlink: wasi('iiiii'),
  path_unlink_file: wasi('iii'),
  poll_oneoff: wasi('iiii'),
  proc_exit: { params: ['i32'], results: [] },
  proc_raise: wasi('i'),
  sched_yield: wasi(''),
  random_get: wasi('ii'),
  sock_accept: wasi('iii'),
  sock_recv: wasi('iiiiii'),
  sock_send: wasi('iiiii'),
  sock_shutdown: wasi('ii'),
} satisfies Record<string, FunctionSignature>;

const env = {
  abort: { params: ['i32', 'i32', 'i32', 'i32'], results: [] },
  emscripten_notify_memory_growth: { params: ['i32'], results: [] },
} satisfies Record<string, FunctionSignature>;

/**
 * The import face of host calls. `call(name, name_length, request, request_length)` answers the length of the answer, or a
 * negative errno for a pointer outside the memory. `read(pointer, length)` copies the next bytes of that answer, and
 * answers how many; 0 at its end.
 */
const zerostate = {
  call: wasi('iiii'),
  read: wasi('ii'),
} satisfies Record<string, FunctionSignature>;

export type WasiFunctionName = keyof typeof wasiPreview1;

export const HOST_FUNCTIONS = { wasi_snapshot_preview1: wasiPreview1, env, zerostate } as const;
