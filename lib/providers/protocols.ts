/* eslint-disable @typescript-eslint/no-require-imports -- each is loaded when it is first used */
import { lazy } from '../common/lazy.js';
import type * as Anthropic from './anthropic/anthropic.js';
import type * as Bedrock from './bedrock/bedrock.js';
import type * as Gemini from './gemini/gemini.js';
import { OPENAI } from './openai/openai.js';
import { providedProtocol } from './provided.js';
import type { Protocol } from './protocol.js';
import { CLOUDS, rowOf, type ProtocolName } from './endpoint/provider-table.environment.js';

/** Loaded with the first deployment that speaks them: together a twelfth of the start. */
const PROTOCOLS: Readonly<Record<ProtocolName, () => Protocol>> = {
  openai: () => OPENAI,
  anthropic: lazy(() => (require('./anthropic/anthropic.js') as typeof Anthropic).ANTHROPIC),
  bedrock: lazy(() => (require('./bedrock/bedrock.js') as typeof Bedrock).BEDROCK),
  gemini: lazy(() => (require('./gemini/gemini.js') as typeof Gemini).GEMINI),
};

/** The protocol that a provider speaks with a model. */
export function protocolOf(provider: string, model: string): Protocol {
  if (CLOUDS.has(provider) && /claude/i.test(model)) return PROTOCOLS.anthropic();
  return providedProtocol(provider) ?? PROTOCOLS[rowOf(provider)?.protocol ?? 'openai']();
}
