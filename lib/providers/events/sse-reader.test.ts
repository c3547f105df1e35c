import fc from 'fast-check';
import { dataOf, EventReader } from './sse-reader.js';

describe('dataOf', () => {
  it.each<[string, string | undefined]>([
    ['data: {"a":1}', '{"a":1}'],
    ['data:{"a":1}', '{"a":1}'],
    ['event: x\ndata: {"a":1}', '{"a":1}'],
    ['event: x\r\ndata: {"a":1}', '{"a":1}'],
    ['id: 1\nevent: x\ndata: {"a":1}\nretry: 5', '{"a":1}'],
    ['data: {"a":\ndata: 1}', '{"a":\n1}'],
    ['event: x\ndata: {"a":\ndata: 1}', '{"a":\n1}'],
    ['data: [DONE]', '[DONE]'],
    [': data: {"a":1}', undefined],
    ['event: x', undefined],
    ['data:', undefined],
    ['xdata: {"a":1}', undefined],
    ['event: error\ndata: {"a":1}', '{"error":{"a":1}}'],
    ['event:error\ndata: {"a":1}', '{"error":{"a":1}}'],
    ['event: error\ndata: {"error":{"a":1}}', '{"error":{"a":1}}'],
    ['data: {"a":1}\nevent: error', '{"error":{"a":1}}'],
    ['event: error\ndata: busy', '{"error":"busy"}'],
  ])('of %j is %j', (event, data) => {
    expect(dataOf(event)).toBe(data);
  });
});

it('reads the same events wherever chunks cut them', () => {
  const bytes = Buffer.from(
    '\uFEFF: hi\n\nevent: x\ndata: {"a":"grüße 🦀"}\n\ndata: {"b":1}\r\n\r\nevent: error\ndata: {"c":1}\n\ndata: [DONE]\n\n',
  );
  const events = ['{"a":"grüße 🦀"}', '{"b":1}', '{"error":{"c":1}}', '[DONE]'];
  for (let size = 1; size < bytes.length; size++) {
    const reader = new EventReader();
    const read: string[] = [];
    for (let at = 0; at < bytes.length; at += size) read.push(...reader.read(bytes.subarray(at, at + size)));
    expect(read).toEqual(events);
  }
});

it('reads the events of any text as soon as they end, at any cut', () => {
  const parts = fc.constantFrom('data: a', 'data:{"é":1}', 'event: x', ':', ' ', '\n', '\n\n', '\r\n', '\r\n\r\n', '\r', 'event: error');
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 30 }), fc.array(fc.nat(80), { maxLength: 6 }), (texts, cuts) => {
      const bytes = Buffer.from(texts.join(''));
      const reader = new EventReader();
      const read: string[] = [];
      const places = [...cuts.filter((cut) => cut < bytes.length), bytes.length].sort((a, b) => a - b);
      for (const [index, to] of places.entries()) {
        read.push(...reader.read(bytes.subarray(places[index - 1] ?? 0, to)));
        const whole = bytes
          .toString('utf8', 0, to)
          .split(/\r?\n\r?\n/)
          .slice(0, -1);
        expect(read).toEqual(whole.map(dataOf).filter((data) => data !== undefined));
      }
    }),
    { numRuns: 1000 },
  );
});

it('looks for the data of a long event among its lines, without a text for each of them', () => {
  const split = jest.spyOn(String.prototype, 'split');
  const data = dataOf(`${'a\n'.repeat(1000)}data: 1\n${'\n'.repeat(1000)}data:2\r\nb`);
  const calls = split.mock.calls.length;
  split.mockRestore();
  expect([data, calls]).toEqual(['1\n2', 0]);
});
