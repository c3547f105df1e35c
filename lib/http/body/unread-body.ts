import type { IncomingMessage } from 'node:http';

/**
 * Closing the connection at once can lose the answer: the client may go on sending for this long.
 */
const DRAIN_MS = 5_000;

/**
 * Bounds how long a rejected client may send its body: Node reads and drops the rest for as long as
 * it comes.
 */
export function boundUnreadBody(request: IncomingMessage): void {
  const timer = setTimeout(() => request.destroy(), DRAIN_MS).unref();
  request.once('close', () => clearTimeout(timer));
}
