import { lengthOf, portionsOf, sentParts } from '../../providers/provider-transport.js';

const bytes = (length: number, fill: number): Buffer => Buffer.alloc(length, fill);

/** The bytes of each turn of the event loop. */
async function turnsOf(parts: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<Buffer[]> {
  const turns: Buffer[][] = [[]];
  let isOver = false;
  const next = (): void => {
    turns.push([]);
    if (!isOver) setImmediate(next);
  };
  setImmediate(next);
  for await (const part of parts) turns.at(-1)?.push(part);
  isOver = true;
  return turns.map((each) => Buffer.concat(each)).filter(({ length }) => length > 0);
}

describe('a body that is sent in parts', () => {
  it('is any that is no text, and no short one as a whole', () => {
    expect(sentParts('{}'.repeat(1_000_000))).toBeUndefined();
    expect(sentParts(bytes(1000, 1))).toBeUndefined();
    expect(lengthOf(sentParts(bytes(1_000_000, 1)) ?? [])).toBe(1_000_000);
    const parts = [bytes(1, 1), bytes(2, 2)];
    expect(sentParts(parts)).toBe(parts);
    expect(portionsOf(parts)).toBe(parts);
  });

  it('is written over several turns of the event loop, if it is long', async () => {
    const parts = [bytes(20, 1), bytes(3_000_000, 2), bytes(0, 3), bytes(262_144, 4), bytes(7, 5)];
    const turns = await turnsOf(portionsOf(parts));
    expect(Buffer.concat(turns).equals(Buffer.concat(parts))).toBe(true);
    expect(turns.length).toBeGreaterThan(10);
    expect(Math.max(...turns.map(({ length }) => length))).toBeLessThanOrEqual(262_144);
  });
});
