// What a gateway costs that is no gateway: Node's server, and undici towards the provider.
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { Pool } from 'undici';

const PATH = '/v1/chat/completions';
const HEADERS = { 'content-type': 'application/json', authorization: 'Bearer sk-bench' };

/** Bytes pass, both ways. */
export function piping(origin: string): Server {
  const pool = new Pool(origin, { connections: 1024 });
  return serving((request, response) => {
    const headers = { ...HEADERS, 'content-length': request.headers['content-length'] };
    return pool.stream({ path: PATH, method: 'POST', headers, body: request }, (answer) => headOf(answer, response));
  });
}

/** The request is parsed and written again. The answer's bytes pass. */
export function parsing(origin: string): Server {
  const pool = new Pool(origin, { connections: 1024 });
  return serving(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = JSON.stringify(JSON.parse(Buffer.concat(parts).toString()));
    await pool.stream({ path: PATH, method: 'POST', headers: HEADERS, body }, (answer) => headOf(answer, response));
  });
}

function serving(forward: (request: IncomingMessage, response: ServerResponse) => Promise<unknown>): Server {
  const listener: RequestListener = (request, response) => void forward(request, response).catch(() => response.destroy());
  return createServer(listener);
}

type Head = { readonly statusCode: number; readonly headers: Record<string, string | string[] | undefined> };

function headOf({ statusCode, headers }: Head, response: ServerResponse): ServerResponse {
  for (const name of ['content-type', 'content-length']) {
    const value = headers[name];
    if (value !== undefined) response.setHeader(name, value);
  }
  response.statusCode = statusCode;
  return response;
}
