import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './sources.js';

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const targets = readdirSync(join(root, 'native/fuzz/targets'))
  .map((file) => file.replace('.rs', ''))
  .sort();

describe('the fuzz targets of the core', () => {
  test('are built', () => {
    const bins = [...read('native/fuzz/Cargo.toml').matchAll(/^\[\[bin\]\]\nname = "(\w+)"/gm)].map(([, name]) => name);
    expect(bins.sort()).toEqual(targets);
  });

  test('each have a kept corpus of short inputs, all of them together below a megabyte', () => {
    const sizes = targets.map((name) => {
      const folder = join(root, 'native/fuzz/corpus', name);
      return readdirSync(folder).reduce((bytes, file) => bytes + readFileSync(join(folder, file)).length, 0);
    });
    expect(Math.min(...sizes)).toBeGreaterThan(0);
    expect(sizes.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(1_000_000);
  });

  test('are described in native/fuzz/README.md', () => {
    const rows = [...read('native/fuzz/README.md').matchAll(/^\| `(\w+)` +\|/gm)].map(([, name]) => name);
    expect(rows.filter((name) => targets.includes(name)).sort()).toEqual(targets);
  });
});
