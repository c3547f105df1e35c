import { Writable } from 'node:stream';
import { ProgressBar } from './progress-bar.js';

function terminal(isTTY: boolean, columns?: number) {
  const lines: string[] = [];
  const out = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  return { lines, out: Object.assign(out, { isTTY, columns }) };
}

describe('ProgressBar', () => {
  it('draws at most ten times a second, after half a second', () => {
    let now = 0;
    const { lines, out } = terminal(true, 100);
    const bar = new ProgressBar(out, 4 * 1024 * 1024, () => now);
    for (; now <= 1000; now += 50) bar.add((1024 * 1024) / 10, 'a.txt');
    expect(lines).toHaveLength(6);
    expect(lines[0]).toBe(`\r\x1b[K[${'#'.repeat(7)}${'.'.repeat(17)}] 27 %  1.1/4.0 MiB  2.2 MiB/s  a.txt`);
    bar.end();
    expect(lines.at(-1)).toBe('\r\x1b[K');
  });

  it('shows no share of an unknown length, and stays within the line', () => {
    let now = 0;
    const { lines, out } = terminal(true, 30);
    const bar = new ProgressBar(out, 0, () => now);
    now = 1000;
    bar.add(3 * 1024 * 1024, 'a-very-long-name-of-a-file.txt');
    expect(lines).toEqual(['\r\x1b[K3.0 MiB  3.0 MiB/s  a-very-lo']);
  });

  it('writes nothing where no terminal is, and nothing for short work', () => {
    for (const [isTTY, atMs] of [
      [false, 5000],
      [true, 400],
    ] as const) {
      let now = 0;
      const { lines, out } = terminal(isTTY);
      const bar = new ProgressBar(out, 10, () => now);
      now = atMs;
      bar.add(5, 'a.txt');
      bar.end();
      expect(lines).toEqual([]);
    }
  });
});
