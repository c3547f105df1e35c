// The server for all clients, in its own process: fixed answers over connections that stay open.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const ANSWER = Buffer.from(
  JSON.stringify({ id: 'chatcmpl-bench', choices: [{ index: 0, message: { role: 'assistant', content: 'x'.repeat(400) } }] }),
);

const server = createServer((_, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': ANSWER.length }).end(ANSWER);
});
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit());
