import type { IncomingMessage } from 'node:http';

/**
 * How long the client can continue to send, because closing the connection at once can lose the
 * response.
 */
const DRAIN_MS = 5_000;

/**
 * Drops the rest of a rejected body, for a limited time: the next request on the connection follows
 * it, and a request that was piped to a failed reader stays paused.
 */
export function boundUnreadBody(request: IncomingMessage): void {
  if (request.complete && request.readableEnded) return;
  request.unpipe().resume();
  const timer = setTimeout(() => request.destroy(), DRAIN_MS).unref();
  request.once('close', () => clearTimeout(timer));
}
