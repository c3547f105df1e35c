import fc from 'fast-check';
import { BufferList } from './buffer-list.js';

const chunksOf = (list: BufferList): number => (list as unknown as { readonly chunks: readonly Buffer[] }).chunks.length;

describe('BufferList', () => {
  it('has the bytes of all chunks in order, of any sizes', () => {
    const size = fc.oneof(fc.nat(20), fc.constantFrom(0, 1, 1023, 1024, 9000, 20_000));
    fc.assert(
      fc.property(fc.array(size, { maxLength: 60 }), fc.nat(60), (sizes, takenAt) => {
        const list = new BufferList();
        let expected = Buffer.alloc(0);
        for (const [at, length] of sizes.entries()) {
          const chunk = Buffer.alloc(length, at + 1);
          list.push(chunk);
          expected = Buffer.concat([expected, chunk]);
          expect(list.length).toBe(expected.length);
          if (at % 7 === 6) expect(list.bytes().equals(expected)).toBe(true);
          if (at !== takenAt) continue;
          expect(list.take().equals(expected)).toBe(true);
          expected = Buffer.alloc(0);
        }
        expect(list.bytes().equals(expected)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('is a single chunk itself, without a copy', () => {
    const list = new BufferList();
    const chunk = Buffer.from('a');
    list.push(chunk);
    expect(list.bytes()).toBe(chunk);
    expect(list.take()).toBe(chunk);
    expect(list.take()).toHaveLength(0);
  });

  it.each([
    ['single bytes', 1, 1],
    ['a large chunk behind each small one', 1, 1024],
  ])('keeps few objects of %s', (_, small, large) => {
    const list = new BufferList();
    for (let at = 0; at < 10_000; at++) list.push(Buffer.alloc(at % 2 === 0 ? small : large));
    // 16 KB, or a kilobyte and its neighbour.
    expect(chunksOf(list)).toBeLessThanOrEqual(16 + (2 * list.length) / 1024);
  });
});
