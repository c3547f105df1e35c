import fc from 'fast-check';
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
        expect(record.unended).toBeLessThanOrEqual(9);
      }),
    );
  });

  it('keeps only the end of a long stream', () => {
    const record = new StreamRecord();
    for (let index = 0; index < 100_000; index++) record.add(Buffer.from(`${index}\n`));
    const tail = record.tail().toString();
    expect(tail.endsWith('\n99998\n99999\n')).toBe(true);
    expect(tail.length).toBeGreaterThanOrEqual(16_384);
    expect(tail.length).toBeLessThan(16_400);
    record.add(Buffer.alloc(20_000, 'x'));
    expect(record.tail()).toHaveLength(20_000);
  });
});
