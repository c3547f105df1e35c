import fc from 'fast-check';
import { endLinesOf } from '../../providers/events/event-scan.js';
import { StreamRecord } from './stream-record.js';

const events = (end: string): string => `: hi${end}data: {"a":1}${end}data: [DONE]${end}data: cut`;

describe('StreamRecord', () => {
  it.each([
    ['LF', '\n\n'],
    ['CR and LF', '\r\n\r\n'],
  ])('counts events that end with %s, wherever chunks cut them', (_, end) => {
    fc.assert(
      fc.property(fc.array(fc.nat(60), { maxLength: 30 }), (cuts) => {
        const whole = Buffer.from(events(end));
        const ends = [...new Set([...cuts, whole.length])].sort((a, b) => a - b);
        const record = new StreamRecord();
        ends.forEach((at, index) => record.add(whole.subarray(ends[index - 1] ?? 0, at)));
        expect([record.events, record.tail().toString()]).toEqual([3, whole.toString()]);
        expect(record.unended).toBe(9);
      }),
    );
  });

  it.each([
    ['data: [DONE]', '\n'],
    ['data: [DONE]', '\r\n'],
    ['event: done\ndata: {}', '\n'],
    ['event:done', '\n'],
    ['data: {"type": "done"}', '\r\n'],
  ])('finds the end of the stream at %j (line ends %j), wherever chunks cut it', (last, newLine) => {
    const ends = [Buffer.from('data: [DONE]'), ...endLinesOf('done')];
    const event = (lines: string): string => `${lines.replace(/\n/g, newLine)}${newLine}${newLine}`;
    const stream = event('data: {"text":"data: [DONE]"}') + event('event: doing\ndata: {"type":"do"}') + event(last);
    fc.assert(
      fc.property(fc.array(fc.nat(160), { maxLength: 30 }), (cuts) => {
        const whole = Buffer.from(`${stream}: ping\n\ndata: more\n\n`);
        const places = [...new Set([...cuts.filter((at) => at < whole.length), whole.length])].sort((a, b) => a - b);
        const record = new StreamRecord({ ends });
        let passed = '';
        for (const [index, at] of places.entries()) {
          if (!record.isOver) passed += record.add(whole.subarray(places[index - 1] ?? 0, at)).toString();
        }
        expect([record.isOver, record.events, record.unended, passed]).toEqual([true, 3, 0, stream]);
      }),
    );
  });

  it('does not end at a line that only begins alike, or stands within another one', () => {
    const record = new StreamRecord({ ends: [Buffer.from('data: [DONE]')] });
    for (const line of ['data: [DON]\n\n', 'data: [DO', 'xNE]\n\n', ' data: [DONE]\n\n', ': x data: [DONE]\n\n'])
      record.add(Buffer.from(line));
    expect([record.isOver, record.events]).toEqual([false, 4]);
  });

  it('keeps the last 16 KB of chunks of all sizes', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.nat(300), fc.nat(40_000)), { maxLength: 60 }), (sizes) => {
        const record = new StreamRecord();
        const chunks = sizes.map((size, index) => Buffer.alloc(size, `${index} `));
        for (const chunk of chunks) record.add(chunk);
        const whole = Buffer.concat(chunks);
        const tail = record.tail();
        expect(tail.length).toBeGreaterThanOrEqual(Math.min(16_384, whole.length));
        expect(tail.equals(whole.subarray(whole.length - tail.length))).toBe(true);
        expect(record.head().equals(whole.subarray(0, 8_192))).toBe(true);
      }),
    );
  });

  it('keeps at least the last 2 KB of short events, and the last two of longer events', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(7_900), { minLength: 1, maxLength: 40 }), fc.array(fc.nat(400_000), { maxLength: 40 }), (sizes, cuts) => {
        const events = sizes.map((size, index) => Buffer.from(`data: ${`${index} `.padEnd(size)}\n\n`));
        const whole = Buffer.concat(events);
        const ends = [...new Set([...cuts.map((cut) => cut % whole.length), whole.length])].sort((a, b) => a - b);
        const record = new StreamRecord();
        ends.forEach((at, index) => record.add(whole.subarray(ends[index - 1] ?? 0, at)));
        const tail = record.tail();
        expect(tail.equals(whole.subarray(whole.length - tail.length))).toBe(true);
        expect(tail.length).toBeGreaterThanOrEqual(Math.min(2048, whole.length));
        expect(tail.length).toBeGreaterThanOrEqual(Buffer.concat(events.slice(-2)).length);
      }),
    );
    const record = new StreamRecord();
    for (let index = 0; index < 1000; index++) record.add(Buffer.from(`data: ${index}\n\n`));
    expect(record.tail().length).toBeLessThanOrEqual(4096);
  });

  it('keeps only the end of a long stream', () => {
    const record = new StreamRecord();
    for (let index = 0; index < 100_000; index++) record.add(Buffer.from(`${index}\n`));
    const tail = record.tail().toString();
    expect(tail.endsWith('\n99998\n99999\n')).toBe(true);
    expect(tail.length).toBeGreaterThanOrEqual(16_384);
    expect(tail.length).toBeLessThanOrEqual(20_480);
    record.add(Buffer.alloc(20_000, 'x'));
    expect(record.tail()).toHaveLength(20_000);
  });
});
