import type { Egress } from '../../egress/index.js';
import type { Models } from '../../models/index.js';
import type { HostCallHandler, HostCallMethod } from '../host-call.js';
import { HttpFetch, type SecretReader } from './http-fetch.js';
import { LlmChat } from './llm-chat.js';
import { LlmEmbed } from './llm-embed.js';

/** The methods that reach outside of the market, by name. */
export const outsideHandlers = (parts: { egress: Egress; secrets: SecretReader; models: Models }) =>
  ({
    'http.fetch': new HttpFetch(parts.egress, parts.secrets),
    'llm.chat': new LlmChat(parts.models),
    'llm.embed': new LlmEmbed(parts.models),
  }) satisfies Partial<Record<HostCallMethod, HostCallHandler>>;
