import type { EventEmitter } from 'node:events';

interface Connection extends EventEmitter {
  readonly destroyed: boolean;
}

/** Node's response of HTTP/1; or of HTTP/2, which is no stream itself and says what became of it by the one that it has. */
export interface NodeResponse extends EventEmitter {
  readonly destroyed: boolean;
  readonly closed?: boolean;
  readonly socket?: Connection | null;
  readonly req?: { readonly socket: Connection };
  readonly stream?: { readonly destroyed: boolean };
}

/** Calls `done` once when a response is over, sent or not: at once, if it is already. Gives a function that lets go of the response before. */
export function whenOver(response: NodeResponse, done: () => void): () => void {
  if (response.closed || response.destroyed || response.stream?.destroyed === true) return over(done);
  // A request that comes before the last one is answered has no connection until that is, and Node does not tell its response of the end of one.
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

/** To be called when a connection ends. One listener for all of them: Node would warn of a leak where a client sends many requests at once. */
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
