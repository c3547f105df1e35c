import { ServerResponse, type IncomingMessage } from 'node:http';

/** A response whose turn it is, as most are: with its connection. Node's own way to give it one adds listeners to the socket each time. */
export function responseTo(request: IncomingMessage): ServerResponse {
  return Object.assign(new ServerResponse(request), { socket: request.socket });
}
