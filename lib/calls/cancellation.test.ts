import { getMaxListeners, once, setMaxListeners } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { timersOf } from '../../test/support/timers.js';
import { until } from '../../test/support/until.js';
import { CallCancellation } from './cancellation.js';

describe('a signal that many calls share', () => {
  it.each([
    ['as it comes', () => {}, Infinity],
    ['with a limit of its owner', (signal: AbortSignal) => setMaxListeners(20, signal), 20],
  ])('cancels all calls of one signal and removes its listeners: %s', (_, prepare, limit) => {
    const control = new AbortController();
    prepare(control.signal);
    const calls = Array.from({ length: 15 }, () => new CallCancellation({ signal: control.signal }));
    // 0 is without a limit, which signals are from the beginning on later versions of Node.
    expect(getMaxListeners(control.signal) || Infinity).toBe(limit);
    const [over, ...others] = calls;
    over.dispose();
    control.abort(new Error('enough'));
    expect(over.error).toBeUndefined();
    for (const { error } of others) expect(error).toMatchObject({ code: 'REQUEST_CANCELLED', cause: new Error('enough') });
  });

  it('accepts a signal whose owner allows any number of listeners', () => {
    const control = new AbortController();
    setMaxListeners(0, control.signal);
    const calls = [1, 2].map(() => new CallCancellation({ signal: control.signal }));
    control.abort();
    expect(calls.map(({ error }) => error?.code)).toEqual(['REQUEST_CANCELLED', 'REQUEST_CANCELLED']);
  });
});

describe('a client that disconnects', () => {
  it.each([
    ['the answer that is its turn', 0],
    ['an answer before its turn', 1],
  ])('cancels the call for %s, but not a call that is over', async (_, number) => {
    const responses: ServerResponse[] = [];
    const server = createServer((_request, response) => void responses.push(response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    client.write('GET / HTTP/1.1\r\nhost: here\r\n\r\n'.repeat(2));
    await until(() => responses.length === 2);
    const response = responses[number];
    const [call, over] = [new CallCancellation({ response }), new CallCancellation({ response })];
    over.dispose();
    const aborted = new Promise<Error>((resolve) => (call.active = { abort: resolve }));
    client.destroy();
    const stopped = await aborted;
    server.close();
    expect(stopped).toMatchObject({
      code: 'REQUEST_CANCELLED',
      message: 'the request was cancelled: the client closed the connection',
    });
    expect(over.error).toBeUndefined();
  });
});

describe('the cancellation of a view', () => {
  const active = (cancellation: CallCancellation): jest.Mock => {
    const abort = jest.fn();
    cancellation.active = { abort };
    return abort;
  };

  it('ends with that of its call, and ends no other', () => {
    const call = new CallCancellation();
    const [one, other] = [call.child(), call.child()];
    const [ofCall, ofOne, ofOther] = [call, one, other].map(active);
    one.cancel(new Error('lost'));
    expect([ofCall, ofOne, ofOther].map(({ mock }) => mock.calls.length)).toEqual([0, 1, 0]);
    call.cancel(new Error('left'));
    expect([ofCall, ofOther].map(({ mock }) => mock.calls)).toEqual([[[call.error]], [[call.error]]]);
    expect(other.error).toBe(call.error);
  });

  it('is cancelled from the start if the call is', () => {
    const call = new CallCancellation();
    call.cancel(new Error('left'));
    expect(call.child().error).toBe(call.error);
  });
});

describe('a cancelled call', () => {
  it('has its first reason', () => {
    const call = new CallCancellation({ signal: AbortSignal.abort(new Error('before')) });
    const first = call.error;
    expect(first).toMatchObject({ code: 'REQUEST_CANCELLED', cause: new Error('before') });
    call.cancel(new Error('again'));
    expect(call.error).toBe(first);
  });

  it.each([
    ['signal', { signal: {} }],
    ['response', { response: {} }],
    ['response', { response: { raw: {} } }],
    ['response', { response: { raw: null } }],
  ])('rejects a wrong %s', (path, given) => {
    expect(() => new CallCancellation(given as never)).toThrow(expect.objectContaining({ path }));
  });

  it('accepts no signal and no response', () => {
    for (const given of [{}, { signal: null, response: null }, undefined]) expect(new CallCancellation(given).error).toBeUndefined();
  });

  it('keeps nothing of its signal and its views once it is over', () => {
    const control = new AbortController();
    const call = new CallCancellation({ signal: control.signal });
    const [child, abort] = [call.child(), jest.fn()];
    call.active = { abort };
    call.dispose();
    control.abort();
    call.cancel(new Error('late'));
    expect([abort.mock.calls.length, child.error]).toEqual([0, undefined]);
  });
});

describe('what a call waits for', () => {
  afterEach(() => void jest.useRealTimers());

  it('ends with its result, or as soon as the call is cancelled', async () => {
    const call = new CallCancellation();
    await expect(call.until(Promise.resolve('done'))).resolves.toBe('done');
    await expect(call.until(Promise.reject(new Error('failed')))).rejects.toThrow('failed');
    expect(call.active).toBeUndefined();
    const waiting = call.until(new Promise(() => {}));
    call.cancel(new Error('left'));
    await expect(waiting).rejects.toBe(call.error);
    expect(call.active).toBeUndefined();
    await expect(call.until(Promise.resolve('done'))).rejects.toBe(call.error);
  });

  it('waits for a time, and leaves no timer', async () => {
    // Sockets of the tests above may still use the others.
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
    const timers = timersOf('lib/calls/cancellation');
    const call = new CallCancellation();
    const waited = call.wait(100);
    await jest.advanceTimersByTimeAsync(99);
    expect(call.active).toBeDefined();
    expect(timers.pending).toBe(1);
    await jest.advanceTimersByTimeAsync(1);
    await waited;
    expect(call.active).toBeUndefined();
    const cancelled = call.wait(100);
    call.cancel(new Error('left'));
    await expect(cancelled).rejects.toBe(call.error);
    await expect(call.wait(100)).rejects.toBe(call.error);
    expect(timers.pending).toBe(0);
  });
});
