import fc from 'fast-check';
import { eventsCutAt } from '../../../test/support/stream-events.js';
import { StreamTail } from './stream-tail.js';

describe('StreamTail', () => {
  it('keeps the end of events of all sizes', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.nat(300), fc.nat(40_000)), { maxLength: 60 }), (sizes) => {
        const record = new StreamTail();
        const chunks = sizes.map((size, index) => Buffer.alloc(size, `${index} `));
        for (const chunk of chunks) record.add(chunk);
        const whole = Buffer.concat(chunks);
        const tail = record.tail();
        expect(tail.length).toBeGreaterThanOrEqual(Math.min(2_048, whole.length));
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
        const record = new StreamTail();
        for (const { bytes } of eventsCutAt(whole, cuts)) record.add(bytes);
        const tail = record.tail();
        expect(tail.equals(whole.subarray(whole.length - tail.length))).toBe(true);
        expect(tail.length).toBeGreaterThanOrEqual(Math.min(2048, whole.length));
        expect(tail.length).toBeGreaterThanOrEqual(Buffer.concat(events.slice(-2)).length);
      }),
    );
    const record = new StreamTail();
    for (let index = 0; index < 1000; index++) record.add(Buffer.from(`data: ${index}\n\n`));
    expect(record.tail().length).toBeLessThanOrEqual(4096);
  });

  it('keeps only the end of a long stream', () => {
    const record = new StreamTail();
    for (let index = 0; index < 100_000; index++) record.add(Buffer.from(`${index}\n`));
    const tail = record.tail().toString();
    expect(tail.endsWith('\n99998\n99999\n')).toBe(true);
    expect(tail.length).toBeGreaterThanOrEqual(2_048);
    expect(tail.length).toBeLessThanOrEqual(20_480);
    record.add(Buffer.alloc(20_000, 'x'));
    expect(record.tail()).toHaveLength(20_000);
  });
});
