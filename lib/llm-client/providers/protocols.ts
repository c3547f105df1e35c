import { OPENAI } from './openai/openai.js';
import type { Protocol } from './protocol.js';
import { rowOf, type ProtocolName } from './provider-table.environment.js';

const PROTOCOLS: Readonly<Record<ProtocolName, Protocol>> = { openai: OPENAI };

/** The protocol that a provider speaks. */
export function protocolOf(provider: string): Protocol {
  return PROTOCOLS[rowOf(provider)?.protocol ?? 'openai'];
}
