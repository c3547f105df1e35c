import type { IncomingMessage } from 'node:http';

/** How long a rejected client may go on sending its body, which is dropped: a connection that is cut at once can lose the answer. */
const DRAIN_MS = 5_000;

/** Node drops what is left of a body once its response is over, for as long as it comes. */
export function boundUnreadBody(request: IncomingMessage): void {
  const timer = setTimeout(() => request.destroy(), DRAIN_MS).unref();
  request.once('close', () => clearTimeout(timer));
}
