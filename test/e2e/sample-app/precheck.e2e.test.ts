import { Logger } from '@nestjs/common';
import { RateLimiterService } from 'nestjs-fast-litellm';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { sleep } from '../../support/until.js';
import { SampleGateway } from './sample-gateway.js';

beforeAll(() => Logger.overrideLogger(false));

describe('the sample gateway', () => {
  let gateway: SampleGateway;
  const sockets: Socket[] = [];

  beforeAll(async () => {
    gateway = await SampleGateway.start();
  });
  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await gateway.stop();
  });

  /** Sends the head of a request whose body of 100,000 bytes never comes. */
  async function answerToHead(path: string, ...headers: string[]): Promise<string> {
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    sockets.push(socket);
    const head = [`POST ${path} HTTP/1.1`, 'Host: localhost', 'Content-Type: application/json', 'Content-Length: 100000', ...headers];
    socket.write(`${head.join('\r\n')}\r\n\r\n`);
    return once(socket, 'data').then(([data]) => String(data));
  }
  const answerOrWait = (path: string, ...headers: string[]): Promise<string> =>
    Promise.race([answerToHead(path, ...headers), sleep(300).then(() => 'waits for the body')]);

  it('reads the body of a client that is within its limits', async () => {
    expect(await answerOrWait('/v1/chat/completions')).toBe('waits for the body');
    expect(await answerOrWait('/v1/tokens/count')).toBe('waits for the body');
  });

  it('rejects a client without tokens before its body arrives', async () => {
    const limiter = gateway.app.get(RateLimiterService, { strict: false });
    expect(limiter.check('ip:127.0.0.1', { cost: 0, tokens: 5_000_000 }).allowed).toBe(true);
    for (const path of ['/v1/chat/completions', '/v1/embeddings']) {
      const answer = await answerToHead(path);
      expect(answer).toMatch(/^HTTP\/1\.1 429 /);
      expect(answer).toMatch(/\r\nretry-after: \d+\r\n/i);
      expect(answer).toContain('5000000 tokens per minute (default)');
    }
  });
});
