import type { Operation } from '../providers/protocol.js';
import type { Bridge } from './bridge.js';

const BRIDGES: Readonly<Partial<Record<Operation, Bridge>>> = {};

/** How an operation is served by chat; `undefined`: it is chat, or cannot be. */
export function bridgeOf(operation: Operation): Bridge | undefined {
  return BRIDGES[operation];
}
