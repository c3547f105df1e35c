import type { ServerResponse } from 'node:http';

/** Node's response of HTTP/1; or of HTTP/2, which is no stream itself and says what became of it by the one that it has. */
export type NodeResponse = ServerResponse & { readonly stream?: { readonly destroyed: boolean } };

/** Calls `done` once when a response is over, sent or not: at once, if it is already. */
export function whenOver(response: NodeResponse, done: () => void): void {
  if (response.closed || response.destroyed || response.stream?.destroyed === true) return done();
  response.on('close', done);
  // A request that comes before the last one is answered has no connection until that is, and Node does not tell its response of the end of one.
  if (response.socket === null) whenOverBeforeItsTurn(response, done);
}

function whenOverBeforeItsTurn(response: NodeResponse, done: () => void): void {
  const socket = (response.req as ServerResponse['req'] | undefined)?.socket;
  if (socket === undefined) return;
  const lost = (): void => {
    response.off('close', done);
    done();
  };
  if (socket.destroyed) return lost();
  socket.once('close', lost);
  response.once('close', () => socket.off('close', lost));
}
