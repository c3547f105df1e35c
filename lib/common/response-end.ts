import type { EventEmitter } from 'node:events';

interface Connection extends EventEmitter {
  readonly destroyed: boolean;
}

/** Node's response of HTTP/1, or of HTTP/2, whose state is that of its stream. */
export interface NodeResponse extends EventEmitter {
  readonly destroyed: boolean;
  readonly closed?: boolean;
  readonly socket?: Connection | null;
  readonly req?: { readonly socket: Connection };
  readonly stream?: { readonly destroyed: boolean };
}

/**
 * Calls `done` once when a response ends, sent or not; at once if it has ended. Returns a function
 * that stops waiting.
 */
export function whenOver(response: NodeResponse, done: () => void): () => void {
  if (response.closed || response.destroyed || response.stream?.destroyed === true) return over(done);
  // Node does not report the end of the connection to the response of a pipelined request.
  const socket = response.socket === null ? response.req?.socket : undefined;
  if (socket !== undefined) return whenOverBeforeItsTurn(response, socket, done);
  response.on('close', done);
  return () => void response.off('close', done);
}

function whenOverBeforeItsTurn(response: NodeResponse, socket: Connection, done: () => void): () => void {
  if (socket.destroyed) return over(done);
  const waiting = waitingFor(socket);
  const stop = (): void => {
    response.off('close', ended);
    waiting.delete(ended);
  };
  const ended = (): void => {
    stop();
    done();
  };
  response.on('close', ended);
  waiting.add(ended);
  return stop;
}

const waitingBySocket = new WeakMap<Connection, Set<() => void>>();

/**
 * Callbacks for the end of a connection. One listener for all: Node warns of a leak for many
 * pipelined requests.
 */
function waitingFor(socket: Connection): Set<() => void> {
  const known = waitingBySocket.get(socket);
  if (known !== undefined) return known;
  const waiting = new Set<() => void>();
  waitingBySocket.set(socket, waiting);
  socket.once('close', () => {
    for (const ended of waiting) ended();
  });
  return waiting;
}

function over(done: () => void): () => void {
  done();
  return nothing;
}

function nothing(): void {}
