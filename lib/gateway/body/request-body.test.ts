import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { openNativeBinding } from '../../engine/native-binding.js';
import type { JsonReader } from '../../http/body/json-reader.js';
import { RequestContext } from '../../http/request-context.js';
import { DEFAULT_BODY_BOUNDS } from '../../http/body/body-bounds.js';
import { DEFAULT_JSON_BOUNDS } from '../../json-body/json-bounds.js';
import { contentTypeFault, readRequestBody } from './request-body.js';

const reading = {
  state: new RequestContext(),
  kind: 'json',
  limit: 1000,
  json: { read: (bytes: Buffer): unknown => JSON.parse(bytes.toString()) } as unknown as JsonReader,
  jsonBounds: DEFAULT_JSON_BOUNDS,
  listBounds: DEFAULT_BODY_BOUNDS,
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

describe('contentTypeFault', () => {
  const FORM = 'multipart/form-data; boundary=a';
  it.each<[Parameters<typeof contentTypeFault>[1], string | undefined, boolean]>([
    ['json', 'application/json', true],
    ['json', 'Application/JSON ; charset=UTF-8', true],
    ['json', 'application/json; charset=latin1', false],
    ['json', 'application/jsonp', false],
    ['json', 'text/plain; a=application/json', false],
    ['json', FORM, false],
    ['json', undefined, false],
    ['form', FORM, true],
    ['form', 'text/plain; a=multipart/form-data;', false],
    ['form', 'multipart/form-data', false],
    ['form', 'application/json', false],
    ['none', 'text/plain', true],
    ['optional', undefined, true],
    ['optional', 'application/json', true],
    ['optional', 'text/plain', false],
  ])('decides about a body that is %s with the type %j', (body, type, isAccepted) => {
    const fault = contentTypeFault({ 'content-type': type }, body);
    expect(fault?.getStatus()).toBe(isAccepted ? undefined : 415);
    expect(contentTypeFault({ 'content-type': type, 'content-encoding': 'gzip' }, body)?.getStatus()).toBe(
      body === 'none' || (type === undefined && body === 'optional') ? undefined : 415,
    );
  });
});

describe('the chunks of a body', () => {
  const LENGTH = 32 * 1024;
  // Without the addon the garbage collector frees them.
  const freed = openNativeBinding().binding === null ? LENGTH : 0;

  /** Lengths of two chunks after the body was read, and whether the reader owns the whole. */
  async function lengthsAfter(prepare: (request: IncomingMessage) => void, payload?: PassThrough): Promise<unknown[]> {
    const request = new IncomingMessage(new Socket());
    request.headers['content-length'] = String(2 * LENGTH);
    prepare(request);
    const json = { read: (bytes: Buffer, _bounds: object, isOwn: boolean) => [bytes.toString('latin1'), isOwn] } as unknown as JsonReader;
    const read = readRequestBody(request, { ...reading, json, limit: 4 * LENGTH, payload: payload ?? request });
    const chunks = ['a', 'b'].map((letter) => Buffer.from(new ArrayBuffer(LENGTH)).fill(letter));
    for (const chunk of chunks) (payload ?? request).push(chunk);
    (payload ?? request).push(null);
    const [text, isOwn] = (await read) as [string, boolean];
    expect(text).toBe('a'.repeat(LENGTH) + 'b'.repeat(LENGTH));
    return [...chunks.map(({ length }) => length), isOwn];
  }

  it.each<[string, string | undefined, number[]]>([
    ['a stated length', '5', [2, 3]],
    ['no stated length', undefined, [2, 1, 3]],
    ['more bytes than its client has stated', '3', [2, 1, 2, 4]],
    ['a stated length that is allocated in steps', String(6 << 20), [1 << 20, 4 << 20, 1 << 20]],
  ])('become the body of a request with %s', async (_, stated, lengths) => {
    const request = new IncomingMessage(new Socket());
    if (stated !== undefined) request.headers['content-length'] = stated;
    const json = { read: (bytes: Buffer) => Buffer.from(bytes) } as unknown as JsonReader;
    const read = readRequestBody(request, { ...reading, json, limit: 1 << 24 });
    const chunks = lengths.map((length, at) => Buffer.alloc(length, at + 1));
    const whole = Buffer.concat(chunks);
    for (const chunk of chunks) request.push(chunk);
    request.push(null);
    expect(whole.equals((await read) as Buffer)).toBe(true);
  });

  it('become it in steps that leave other requests their time, long as it is', async () => {
    const request = new IncomingMessage(new Socket());
    const length = 4 << 20;
    request.headers['content-length'] = String(length);
    const chunks = Array.from({ length: length / LENGTH }, (_, at) => Buffer.alloc(LENGTH, at + 1));
    const whole = Buffer.concat(chunks);
    const json = { read: (bytes: Buffer) => Buffer.from(bytes) } as unknown as JsonReader;
    let copied = 0;
    const copying = jest.spyOn(Buffer.prototype, 'copy').mockImplementation(function (this: Buffer, ...given: unknown[]) {
      const [to, at, from = 0, end = this.length] = given as [Buffer, number, number?, number?];
      copied += end - from;
      to.set(this.subarray(from, end), at);
      return end - from;
    });
    const read = readRequestBody(request, { ...reading, json, limit: length });
    for (const chunk of chunks) request.push(chunk);
    request.push(null);
    let [turns, most] = [0, 0];
    const each = (): void => {
      most = Math.max(most, copied);
      copied = 0;
      turns++;
      if (turns < 1000) setImmediate(each);
    };
    each();
    const body = (await read) as Buffer;
    copying.mockRestore();
    expect(whole.equals(body)).toBe(true);
    expect(turns).toBeGreaterThan(10);
    expect(most).toBeLessThan(1 << 20);
  });

  it('are freed once they are copied', async () => {
    expect(await lengthsAfter(() => {})).toEqual([freed, freed, true]);
  });

  it.each<[string, (request: IncomingMessage) => void, PassThrough | undefined]>([
    ['another listener', (request) => request.on('data', () => {}), undefined],
    ['a wrapped method', (request) => (request.on = request.on.bind(request)), undefined],
    ['a stream of the app', () => {}, new PassThrough({ highWaterMark: 4 * LENGTH })],
  ])('are kept where %s may have them', async (_, prepare, payload) => {
    expect(await lengthsAfter(prepare, payload)).toEqual([LENGTH, LENGTH, true]);
  });
});
