/** Where the validator process listens. */
export interface ValidatorAddress {
  /** `unix:///path` or `tcp://host:port`. */
  url: string;
  /** Shared by the validator and the API processes; always there for TCP. */
  secret?: string;
}

export const VALIDATOR_PORT = 9465;
