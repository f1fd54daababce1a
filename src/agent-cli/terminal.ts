/** What a command takes from its process, and writes to it. */
export interface Terminal {
  env: NodeJS.ProcessEnv;
  /** @returns all of standard input */
  readInput(): Buffer;
  /** Asks the person at the terminal. @returns the line they type; null when no person is there */
  ask(question: string): Promise<string | null>;
  /** Writes a result to standard output, and ends the line. */
  print(text: string): void;
  /** Writes to standard error what went wrong, and ends the line. */
  complain(text: string): void;
}
