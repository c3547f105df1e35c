import type { Operation } from '../providers/protocol.js';
import type { Bridge } from './bridge.js';
import { COMPLETIONS_BRIDGE } from './completions/completions.js';
import { MESSAGES_BRIDGE } from './messages/messages.js';
import { RESPONSES_BRIDGE } from './responses/responses.js';

const BRIDGES: Readonly<Partial<Record<Operation, Bridge>>> = {
  completions: COMPLETIONS_BRIDGE,
  messages: MESSAGES_BRIDGE,
  responses: RESPONSES_BRIDGE,
};

/** How an operation is served by chat; `undefined`: it is chat, or cannot be. */
export function bridgeOf(operation: Operation): Bridge | undefined {
  return BRIDGES[operation];
}
