import { getMaxListeners, once, setMaxListeners } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
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
