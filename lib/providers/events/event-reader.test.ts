import fc from 'fast-check';
import { piecesOf, readEvents } from '../../../test/support/stream-events.js';
import { dataOf, endLinesOf, endOfStream, EventReader, StreamEvents } from './event-reader.js';

describe('dataOf', () => {
  it.each<[string, string | undefined]>([
    ['data: {"a":1}', '{"a":1}'],
    ['data:{"a":1}', '{"a":1}'],
    ['event: x\ndata: {"a":1}', '{"a":1}'],
    ['event: x\r\ndata: {"a":1}', '{"a":1}'],
    ['id: 1\nevent: x\ndata: {"a":1}\nretry: 5', '{"a":1}'],
    ['data: {"a":\ndata: 1}', '{"a":\n1}'],
    ['event: x\ndata: {"a":\ndata: 1}', '{"a":\n1}'],
    ['data: a\ndata: {"b":1}', 'a\n{"b":1}'],
    ['id: 1\nevent: error\ndata: {"a":1}', '{"error":{"a":1}}'],
    ['data: [DONE]', '[DONE]'],
    ['data: [{"error":{"code":1}}]', '{"error":{"code":1}}'],
    ['event: error\ndata: [{"error":{"code":1}}]', '{"error":{"code":1}}'],
    ['data: [{"a":"\\"error\\""}]', '[{"a":"\\"error\\""}]'],
    ['data: [[],{"error":{"code":1}}]', '[[],{"error":{"code":1}}]'],
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
    const cuts = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => at * size);
    expect(readEvents(piecesOf(bytes, cuts)).flatMap(({ data }) => data)).toEqual(events);
  }
});

it('reads the events of any text as soon as they end, at any cut', () => {
  const parts = fc.constantFrom('data: a', 'data:{"é":1}', 'event: x', ':', ' ', '\n', '\n\n', '\r\n', '\r\n\r\n', 'event: error');
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 30 }), fc.array(fc.nat(80), { maxLength: 6 }), (texts, cuts) => {
      const bytes = Buffer.from(texts.join(''));
      const reader = new EventReader();
      const read: string[] = [];
      const places = [...cuts.filter((cut) => cut < bytes.length), bytes.length].sort((a, b) => a - b);
      for (const [index, to] of places.entries()) {
        read.push(...(reader.read(bytes.subarray(places[index - 1] ?? 0, to))?.data ?? []));
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

function read(pieces: readonly Buffer[]): string {
  return Buffer.concat(readEvents(pieces).map(({ bytes }) => bytes)).toString();
}

const texts = fc.array(fc.constantFrom('data: a', 'é', '\r', '\n', '\r\n', '\r\r'), { maxLength: 20 }).map((parts) => parts.join(''));
const lines = (text: string): string[] => text.split(/\r\n|\r|\n/);

describe('the line ends of event streams', () => {
  it('keep the lines of any text, at any cut', () => {
    fc.assert(
      fc.property(texts, fc.array(fc.nat(60), { maxLength: 6 }), (text, cuts) => {
        expect(lines(read(piecesOf(Buffer.from(text), cuts)))).toEqual(lines(text));
      }),
      { numRuns: 2_000 },
    );
  });

  it('are LF or CR LF in every text with a line after them, at any cut', () => {
    fc.assert(
      fc.property(texts, fc.array(fc.nat(60), { maxLength: 6 }), (text, cuts) => {
        expect(read(piecesOf(Buffer.from(`${text}\rdata: b`), cuts))).not.toMatch(/\r(?!\n)/);
      }),
      { numRuns: 2_000 },
    );
  });

  it('are forwarded unchanged, without a copy, if there is no lone CR', () => {
    const reader = new EventReader();
    for (const text of ['data: a\n\n', 'data: a\r\n\r\n', 'data: a\r', '\n\r', '\ndata: b\r\n', '']) {
      const chunk = Buffer.from(text);
      expect(reader.lines(chunk)).toBe(chunk);
    }
  });

  it('lose a byte order mark at the beginning alone, at any cut', () => {
    const marked = fc.constantFrom('\uFEFF', '\uFEFF\uFEFF', '\uFEFE', '\uFEFFé', '').map((mark) => `${mark}data: a\uFEFF\n\n`);
    fc.assert(
      fc.property(marked, fc.array(fc.nat(10), { maxLength: 4 }), (text, cuts) => {
        expect(read(piecesOf(Buffer.from(text), cuts))).toBe(text.replace(/^\uFEFF/, ''));
      }),
      { numRuns: 500 },
    );
  });

  it('are looked through without a call for each CR, where each line is empty', () => {
    const indexOf = jest.spyOn(Buffer.prototype, 'indexOf');
    const chunk = Buffer.alloc(1 << 16, '\r\n');
    expect(new EventReader().lines(chunk)).toBe(chunk);
    expect(indexOf.mock.calls.length).toBeLessThan(10);
    indexOf.mockRestore();
  });
});

it('passes a chunk of whole events without a copy', () => {
  const chunk = Buffer.from('data: a\n\ndata: b\n\n');
  expect(new EventReader().read(chunk)?.bytes).toBe(chunk);
});

it('decodes events once, and ignores the data of one without its empty line', () => {
  const decoded = jest.spyOn(Buffer.prototype, 'toString');
  const events = new StreamEvents(Buffer.from(': hi\n\ndata: a\n\ndata: cut'));
  const read = [events.data, events.raw, events.data];
  const calls = decoded.mock.calls.length;
  decoded.mockRestore();
  expect([read, calls]).toEqual([[['a'], [': hi', 'data: a', 'data: cut'], ['a']], 1]);
});

describe('endOfStream', () => {
  const END = [Buffer.from('data: [DONE]'), ...endLinesOf('done')];

  it.each([
    ['data: [DONE]', '\n'],
    ['data: [DONE]', '\r\n'],
    ['event: done\ndata: {}', '\n'],
    ['event:done', '\n'],
    ['data: {"type": "done"}', '\r\n'],
  ])('is after %j (line ends %j), wherever chunks cut it', (last, newLine) => {
    const event = (lines: string): string => `${lines.replace(/\n/g, newLine)}${newLine}${newLine}`;
    const stream = event('data: {"text":"data: [DONE]"}') + event('event: doing\ndata: {"type":"do"}') + event(last);
    fc.assert(
      fc.property(fc.array(fc.nat(160), { maxLength: 30 }), (cuts) => {
        let passed = '';
        for (const events of readEvents(piecesOf(Buffer.from(`${stream}: ping\n\ndata: more\n\n`), cuts))) {
          const end = endOfStream(events.bytes, END);
          passed += events.bytes.toString('utf8', 0, end < 0 ? undefined : end);
          if (end >= 0) break;
        }
        expect(passed.replace(/[\r\n]+$/, '')).toBe(stream.replace(/[\r\n]+$/, ''));
        expect(passed.startsWith(stream)).toBe(true);
      }),
    );
  });

  it.each(['data: [DON]\n\n', 'data: [DOxNE]\n\n', ' data: [DONE]\n\n', ': x data: [DONE]\n\n', 'data: [DONE]', '\n\n', ''])(
    'is not in %j',
    (events) => expect(endOfStream(Buffer.from(events), END)).toBe(-1),
  );
});
