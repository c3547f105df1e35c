import type { IncomingMessage } from 'node:http';

/** How long the client may go on sending: closing the connection at once can lose the answer. */
const DRAIN_MS = 5_000;

/** Bounds how long a rejected client may send: Node drops the rest for as long as it comes. */
export function boundUnreadBody(request: IncomingMessage): void {
  const timer = setTimeout(() => request.destroy(), DRAIN_MS).unref();
  request.once('close', () => clearTimeout(timer));
}
