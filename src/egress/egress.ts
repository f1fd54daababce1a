/** Injection token of the port. */
export const EGRESS = Symbol('Egress');

/** The only way by which agents reach hosts on the web. */
export interface Egress {
  /**
   * Sends one request and follows its redirects. Each hop is judged anew: URL, host, method, and every address.
   * @param signal ends the exchange and closes its connection
   */
  fetch(request: EgressRequest, rules: EgressRules, signal: AbortSignal): Promise<EgressOutcome>;
  /** @throws Error when no request can be sent now */
  ping(): Promise<void>;
}

export interface EgressRequest {
  /** Whose connections are counted together: the agent's id. */
  tenant: string;
  /** In upper case. */
  method: string;
  url: string;
  /** Values may hold `{{secret:NAME}}`, which is filled in for the host that the secret is bound to. */
  headers: Record<string, string>;
  /** Base64; unset: no body. */
  body?: string;
  /** Redirects that are followed; the answer after them is the outcome. Unset: 5, and one more is refused. */
  maxRedirects?: 0;
  /** The secrets that the headers name. */
  secrets: EgressSecret[];
}

export interface EgressSecret {
  name: string;
  /** The only host that gets it. */
  host: string;
  value: string;
}

/** What a version may reach. The operator's ceiling applies as well. */
export interface EgressRules {
  /** Full names of hosts, in lower case. */
  hosts: readonly string[];
  methods: readonly string[];
}

export type EgressOutcome =
  | { end: 'answered'; status: number; headers: Record<string, string>; body: string; encoding: 'utf8' | 'base64' }
  /** `message` is for the agent. It holds no address, no secret and no text of an upstream. */
  | { end: 'refused'; code: EgressCode; message: string };

/** Why a request was not sent, or has no answer. Stable: agents switch on them. */
export const EGRESS_CODES = [
  'URL_NOT_ALLOWED',
  'HOST_NOT_ALLOWED',
  'PORT_NOT_ALLOWED',
  'METHOD_NOT_ALLOWED',
  'HEADER_NOT_ALLOWED',
  'SECRET_NOT_FOUND',
  'SECRET_NOT_FOR_HOST',
  'REQUEST_TOO_LARGE',
  'HOST_NOT_FOUND',
  'ADDRESS_NOT_PUBLIC',
  'UPSTREAM_UNREACHABLE',
  'UPSTREAM_FAILED',
  'UPSTREAM_TIMEOUT',
  'RESPONSE_TOO_LARGE',
  'TOO_MANY_REDIRECTS',
  'INSECURE_REDIRECT',
  'EGRESS_BUSY',
  'EGRESS_UNAVAILABLE',
  'CALL_ENDED',
] as const;
export type EgressCode = (typeof EGRESS_CODES)[number];

/** Ends the work on a request inside this module; drivers turn it into an outcome. */
export class EgressRefusal extends Error {
  constructor(
    readonly code: EgressCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
