import fc from 'fast-check';
import { LineEnds } from './line-ends.js';

/** The chunks of a text, cut at `cuts`. */
function cut(text: string, cuts: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text);
  const places = [...new Set(cuts.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((from, index) => bytes.subarray(from, places[index] ?? bytes.length));
}

function read(chunks: readonly Buffer[]): string {
  const ends = new LineEnds();
  return Buffer.concat(chunks.map((chunk) => ends.read(chunk))).toString();
}

const texts = fc.array(fc.constantFrom('data: a', 'é', '\r', '\n', '\r\n', '\r\r'), { maxLength: 20 }).map((parts) => parts.join(''));
const lines = (text: string): string[] => text.split(/\r\n|\r|\n/);

describe('line ends of event streams', () => {
  it('keep the lines of any text, at any cut', () => {
    fc.assert(
      fc.property(texts, fc.array(fc.nat(60), { maxLength: 6 }), (text, cuts) => {
        expect(lines(read(cut(text, cuts)))).toEqual(lines(text));
      }),
      { numRuns: 2_000 },
    );
  });

  it('are LF or CR LF in every text with a line behind them, at any cut', () => {
    fc.assert(
      fc.property(texts, fc.array(fc.nat(60), { maxLength: 6 }), (text, cuts) => {
        expect(read(cut(`${text}\rdata: b`, cuts))).not.toMatch(/\r(?!\n)/);
      }),
      { numRuns: 2_000 },
    );
  });

  it('pass unchanged, without a copy, where no CR stands alone', () => {
    const ends = new LineEnds();
    for (const text of ['data: a\n\n', 'data: a\r\n\r\n', 'data: a\r', '\n\r', '\ndata: b\r\n', '']) {
      const chunk = Buffer.from(text);
      expect(ends.read(chunk)).toBe(chunk);
    }
  });

  it('lose a byte order mark at the beginning alone, at any cut', () => {
    const marked = fc.constantFrom('\uFEFF', '\uFEFF\uFEFF', '\uFEFE', '\uFEFFé', '').map((mark) => `${mark}data: a\uFEFF\n\n`);
    fc.assert(
      fc.property(marked, fc.array(fc.nat(10), { maxLength: 4 }), (text, cuts) => {
        expect(read(cut(text, cuts))).toBe(text.replace(/^\uFEFF/, ''));
      }),
      { numRuns: 500 },
    );
  });

  it('are looked through without a call for each CR, where each line is empty', () => {
    const indexOf = jest.spyOn(Buffer.prototype, 'indexOf');
    const chunk = Buffer.alloc(1 << 16, '\r\n');
    expect(new LineEnds().read(chunk)).toBe(chunk);
    expect(indexOf.mock.calls.length).toBeLessThan(10);
    indexOf.mockRestore();
  });
});
