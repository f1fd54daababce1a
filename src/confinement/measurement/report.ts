/** What the probe is to try. */
export interface ProbeTask {
  /** TCP port on 127.0.0.1 where the server listens. */
  port: number;
  /** Absolute paths that the root folder is built of. */
  visible: readonly string[];
  /** One of them, with the scripts. */
  folder: string;
  /** More memory than a child may have. */
  memoryBytes: number;
}

/** How the attempts went: `done`, or the code of the error. */
export interface ProbeReport {
  /** Its own process id, as it sees it. */
  pid: number;
  uid: number;
  connect: string;
  fork: string;
  becomeRoot: string;
  allocate: string;
  /** Paths in its root folder that should not be there. */
  sees: string[];
  /** Folders in which it could make a folder. */
  makes: string[];
}
