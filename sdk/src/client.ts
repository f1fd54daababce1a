import { Api } from './api.js';
import type { Schemas } from './api-types.js';
import { type FeedEvent, follow, type FollowOptions } from './events.js';
import { Tasks } from './tasks.js';
import type { ClientOptions } from './transport.js';
import { upload, type UploadOptions, type VersionForm, versionForm } from './upload.js';

/**
 * A client of one server.
 *
 *     const client = new ZeroState({ url: 'http://localhost:8080', credentials: { apiKey } });
 *     const { result } = await client.tasks.run({ required_capabilities: ['summarise'], budget: 1, input: { text } });
 */
export class ZeroState extends Api {
  readonly tasks: Tasks;

  constructor(options: ClientOptions) {
    super(options);
    this.tasks = new Tasks(this);
  }

  /** Yields the events of the account's tasks and agents, in order and without end. */
  events(options: FollowOptions = {}): AsyncGenerator<FeedEvent, void, undefined> {
    return follow(this.transport, '/events', options);
  }

  /**
   * Uploads a binary as a version of an agent. An unknown name makes a new agent.
   * @param agent slug or id
   * @throws ApiError, such as `VERSION_TAKEN`, or the code of a refused binary
   */
  uploadAgent(
    agent: string,
    wasm: Uint8Array<ArrayBuffer> | Blob,
    form: VersionForm,
    options: UploadOptions = {},
  ): Promise<Schemas['UploadedDto']> {
    const path = `/agents/${encodeURIComponent(agent)}/binary`;
    // The server recognises the same bytes under the same version. Without a version, a second upload becomes the next patch.
    const isRepeatable = form.version !== undefined;
    return upload(this.transport, { method: 'POST', path, body: versionForm(wasm, form), isRepeatable }, options);
  }
}
