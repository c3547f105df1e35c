import { ANTHROPIC } from './anthropic/anthropic.js';
import { BEDROCK } from './bedrock/bedrock.js';
import { GEMINI } from './gemini/gemini.js';
import { OPENAI } from './openai/openai.js';
import { providedProtocol } from './provided.js';
import type { Protocol } from './protocol.js';
import { CLOUDS, rowOf, type ProtocolName } from './provider-table.environment.js';

const PROTOCOLS: Readonly<Record<ProtocolName, Protocol>> = { openai: OPENAI, anthropic: ANTHROPIC, bedrock: BEDROCK, gemini: GEMINI };

/** The protocol that a provider speaks with a model. */
export function protocolOf(provider: string, model: string): Protocol {
  if (CLOUDS.has(provider) && /claude/i.test(model)) return ANTHROPIC;
  return providedProtocol(provider) ?? PROTOCOLS[rowOf(provider)?.protocol ?? 'openai'];
}
