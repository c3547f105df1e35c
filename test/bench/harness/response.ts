import { ServerResponse, type IncomingMessage } from 'node:http';

/**
 * A response with its connection. Node's `assignSocket` would add listeners to the socket each
 * time.
 */
export function responseTo(request: IncomingMessage): ServerResponse {
  return Object.assign(new ServerResponse(request), { socket: request.socket });
}
