/* eslint-disable @typescript-eslint/no-require-imports -- each is loaded when it is first used */
import { lazy } from '../common/lazy.js';
import type { Operation } from '../providers/protocol.js';
import type { Bridge } from './bridge.js';
import type * as Completions from './completions/completions.js';
import type * as GenerateContent from './generate-content/generate-content.js';
import type * as Messages from './messages/messages.js';
import type * as Responses from './responses/responses.js';

/** Loaded with the first call that needs them. */
const BRIDGES: Readonly<Partial<Record<Operation, () => Bridge>>> = {
  completions: lazy(() => (require('./completions/completions.js') as typeof Completions).COMPLETIONS_BRIDGE),
  generateContent: lazy(() => (require('./generate-content/generate-content.js') as typeof GenerateContent).GENERATE_CONTENT_BRIDGE),
  messages: lazy(() => (require('./messages/messages.js') as typeof Messages).MESSAGES_BRIDGE),
  responses: lazy(() => (require('./responses/responses.js') as typeof Responses).RESPONSES_BRIDGE),
};

/** How an operation is served by chat; `undefined`: it is chat, or cannot be. */
export function bridgeOf(operation: Operation): Bridge | undefined {
  return BRIDGES[operation]?.();
}
