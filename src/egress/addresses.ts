import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { EgressRefusal } from './egress.js';
import type { Hop } from './hop.js';
import { isPublicAddress } from './public-address.js';

/** How long one query waits for an answer, ms, and how often it is sent. */
const QUERY = { timeout: 2000, tries: 2 };

/** Most addresses of a host that are tried. */
const MAX_TRIED = 4;

/** An address that was judged: a connection goes there and nowhere else. */
export interface JudgedAddress {
  address: string;
  family: 4 | 6;
}

/**
 * Resolves names by DNS. It does not use the system's resolver (`getaddrinfo`): that occupies a thread of the process for as
 * long as a name server stays silent, and agents choose the names.
 */
export class Addresses {
  /** @param servers name servers to ask, `address` or `address:port`; empty: the system's */
  constructor(private readonly servers: readonly string[]) {}

  /**
   * The addresses of a hop. One that is not public condemns the name: its others may lead to the same place.
   * @param signal ends the search
   * @throws EgressRefusal
   */
  async of({ host, privateHost }: Hop, signal: AbortSignal): Promise<JudgedAddress[]> {
    if (privateHost?.address !== undefined) return [judged(privateHost.address)];
    if (isIP(host) !== 0) return [judged(host)];
    const found = await this.resolve(host, signal);
    if (!privateHost && !found.every(isPublicAddress)) {
      throw new EgressRefusal('ADDRESS_NOT_PUBLIC', `The host ${host} resolves to an address that is not public.`);
    }
    return found.slice(0, MAX_TRIED).map(judged);
  }

  private async resolve(host: string, signal: AbortSignal): Promise<string[]> {
    // One of its own: `cancel` ends all queries of a resolver.
    const resolver = new Resolver(QUERY);
    if (this.servers.length > 0) resolver.setServers(this.servers);
    const cancel = (): void => resolver.cancel();
    signal.addEventListener('abort', cancel);
    const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    signal.removeEventListener('abort', cancel);
    signal.throwIfAborted();
    const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    if (found.length > 0) return found;
    const isSilent = answers.some(
      ({ status, ...rest }) => status === 'rejected' && isOutage((rest as { reason: unknown }).reason),
    );
    throw new EgressRefusal(
      'HOST_NOT_FOUND',
      isSilent ? `The name servers of ${host} do not answer. Try again later.` : `The host ${host} does not exist.`,
    );
  }
}

const judged = (address: string): JudgedAddress => ({ address, family: isIP(address) === 6 ? 6 : 4 });

const isOutage = (reason: unknown): boolean =>
  !['ENOTFOUND', 'ENODATA', 'EBADNAME'].includes((reason as NodeJS.ErrnoException).code ?? '');
