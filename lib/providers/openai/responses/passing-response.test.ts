import { array, assert, constantFrom, integer, property } from 'fast-check';
import { PassingResponse } from './passing-response.js';

const event = (data: object & { readonly type?: string }, named = true): string =>
  `${named ? `event: ${data.type}\n` : ''}data: ${JSON.stringify(data)}\n\n`;
const usage = { input_tokens: 3, output_tokens: 4, total_tokens: 7, input_tokens_details: { cached_tokens: 2 } };
const created = event({ type: 'response.created', response: { status: 'in_progress', error: null, usage: null } } as never);
const delta = event({
  type: 'response.output_text.delta',
  delta: '"type":"response.completed" event: response.failed\nevent: error',
} as never);
const end = (name: string, response: object = {}, named = true): string =>
  event({ type: `response.${name}`, response: { ...response, usage } } as never, named);

/** Reads a stream cut at some bytes, as the exchange does. */
function read(stream: string, cuts: readonly number[] = []) {
  const bytes = Buffer.from(stream);
  const passing = new PassingResponse();
  const at = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  const openings = new Set<string>();
  const passed = at.slice(1).map((to, i) => {
    const chunk = passing.chunk(bytes.subarray(at[i], to));
    openings.add(JSON.stringify(passing.openingOf()));
    return chunk;
  });
  expect(Buffer.concat(passed).equals(bytes)).toBe(true);
  let ended = true;
  try {
    passing.end();
  } catch {
    ended = false;
  }
  const tail = bytes.subarray(-16 * 1024);
  return { opening: passing.openingOf(), ended, error: passing.errorAtEnd(tail), usage: passing.usageIn(tail) };
}

describe('a response that passes', () => {
  it.each(['completed', 'incomplete'])('ends with response.%s', (name) => {
    expect(read(created + delta + end(name))).toEqual({
      opening: 'answer',
      ended: true,
      error: undefined,
      usage: { promptTokens: 3, completionTokens: 4, totalTokens: 7, details: expect.objectContaining({ cacheReadTokens: 2 }) as object },
    });
  });

  it('ends with an event that has data but no name', () => {
    expect(read(created + delta + end('completed', {}, false))).toMatchObject({ ended: true, error: undefined });
  });

  it('ends with an event whose name has no space before it', () => {
    const last = end('completed').replace('event: ', 'event:').replace('"type":"response.completed",', '');
    expect(read(created + delta + last)).toMatchObject({ ended: true, error: undefined });
  });

  it.each([
    ['without a last event', created + delta],
    ['without any event', ''],
    ['with the name of a last event in a text only', delta],
  ])('is cut %s', (_, stream) => {
    expect(read(stream)).toMatchObject({ ended: false });
  });

  it.each([
    ['response.failed', end('failed', { status: 'failed', error: { code: 'server_error', message: 'no' } })],
    ['an error event', event({ type: 'error', code: 'server_error', message: 'no' } as never)],
    ['an error event with the error inside', event({ type: 'error', error: { code: 'server_error', message: 'no' } } as never)],
    ['an error event without its name', event({ type: 'error', code: 'server_error', message: 'no' } as never, false)],
  ])('has the error of %s', (_, last) => {
    const error = JSON.stringify({ error: { message: 'no', code: 'server_error' } });
    expect(read(created + delta + last)).toMatchObject({ opening: 'answer', ended: true, error });
    expect(read(created + last)).toMatchObject({ opening: { error } });
  });

  it('finds the error of a failed response after its long output', () => {
    const output = [{ text: 'x'.repeat(20_000) }];
    expect(read(created + delta + end('failed', { status: 'failed', error: { message: 'no' }, output })).error).toContain('"no"');
  });

  it('finds the usage before a long field', () => {
    const last = event({ type: 'response.completed', response: { usage, input_messages: 'x'.repeat(20_000) } } as never);
    expect(read(created + delta + last).usage).toMatchObject({ promptTokens: 3 });
  });

  it('reads the same wherever chunks cut the bytes', () => {
    const parts = constantFrom(
      created,
      delta,
      end('completed'),
      end('failed', { status: 'failed', error: { message: 'no' } }),
      event({ type: 'error', message: 'no' } as never),
      ': comment\n\n',
      'data: [DONE]\n\n',
    );
    assert(
      property(array(parts, { maxLength: 6 }), array(integer({ min: 0, max: 5000 }), { maxLength: 40 }), (all, cuts) => {
        expect(read(all.join(''), cuts)).toEqual(read(all.join('')));
      }),
      { numRuns: 500 },
    );
  });

  it('stays undecided until something other than the beginning comes', () => {
    expect(read(created + event({ type: 'response.in_progress' }) + event({ type: 'response.queued' }))).toMatchObject({
      opening: 'undecided',
    });
  });

  it.each([
    ['{"object":"response","status":"failed","error":{"code":"x","message":"no"}}', { error: '{"error":{"message":"no","code":"x"}}' }],
    ['{"object":"response","status":"completed","output":[{"status":"failed"}]}', undefined],
    ['{"error":{"message":"no"}}', { error: '{"error":{"message":"no"}}' }],
    ['nothing', 'malformed'],
  ])('finds the fault of the whole answer %s', (answer, fault) => {
    expect(new PassingResponse().faultIn(Buffer.from(answer))).toEqual(fault);
  });
});
