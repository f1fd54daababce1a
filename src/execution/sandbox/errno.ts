/** Error numbers of WASI preview 1, as many as the host answers. */
export const ERRNO = {
  success: 0,
  badf: 8,
  fault: 21,
  inval: 28,
  isdir: 31,
  mfile: 33,
  noent: 44,
  nosys: 52,
  notdir: 54,
  notsock: 57,
  notsup: 58,
  spipe: 70,
  notcapable: 76,
} as const;

export type Errno = (typeof ERRNO)[keyof typeof ERRNO];

/** Thrown inside a host function to make it answer `errno` to the agent. */
export class HostError extends Error {
  constructor(readonly errno: Errno) {
    super();
  }
}
