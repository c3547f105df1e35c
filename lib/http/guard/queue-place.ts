import { clientKey, type Identifiable } from './client-key.js';
import type { Principal } from '../principal.js';
import { classInHeader, lowerOf, type QueueClass } from '../../queue/queue-class.js';

/** Lowers the class of a request: `critical`, `default`, `batch`, or LiteLLM's number. */
const PRIORITY_HEADER = 'x-litellm-priority';

/** Who pays for a request: its principal, else the hash of its API key, else its address. */
export function tenantIn(request: Identifiable, principal: Principal | undefined): string {
  return principal?.limitKey ?? clientKey(request);
}

/** The class of a request. Its header can only lower the class. */
export function lowered(own: QueueClass, request: Identifiable | undefined): QueueClass {
  const asked = classInHeader(request?.headers?.[PRIORITY_HEADER]);
  return asked === undefined ? own : lowerOf(own, asked);
}
