import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { JsonReader } from '../../http/body/json-reader.js';
import { resolveJsonBounds } from '../../http/body/json-bounds.js';
import { readRequestBody } from './request-body.js';

const reading = {
  kind: 'json',
  limit: 1000,
  json: { read: (bytes: Buffer): unknown => JSON.parse(bytes.toString()) } as unknown as JsonReader,
  jsonBounds: resolveJsonBounds({}),
} as const;

const requestOf = (body: string): IncomingMessage => {
  const request = Object.assign(new PassThrough(), { headers: { 'content-length': String(body.length) }, complete: true });
  request.end(body);
  return request as unknown as IncomingMessage;
};

describe('readRequestBody', () => {
  it('hands over a few of many requests in each turn of the event loop, so that streams get their time', async () => {
    const begun: unknown[] = [];
    for (let at = 0; at < 40; at++) void readRequestBody(requestOf(String(at)), reading).then((body) => begun.push(body));
    let most = 0;
    for (let turn = 0; turn < 20; turn++) {
      const before = begun.length;
      await nextTurn();
      most = Math.max(most, begun.length - before);
    }
    expect(begun).toEqual(Array.from({ length: 40 }, (_, at) => at));
    expect(most).toBeLessThan(20);
  });
});
