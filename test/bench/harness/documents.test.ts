import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeSection } from './documents.js';
import { markdownTable, short } from './table.js';

describe('writeSection', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-documents-'));
  const file = join(folder, 'README.md');
  afterAll(() => rmSync(folder, { recursive: true }));

  it('replaces only the text between the markers', () => {
    writeFileSync(file, 'before\n<!-- bench:tokens -->\nold\n<!-- /bench:tokens -->\nafter\n');
    expect(writeSection(file, 'tokens', 'new')).toBe(true);
    expect(writeSection(file, 'tokens', 'newer')).toBe(true);
    expect(readFileSync(file, 'utf8')).toBe('before\n<!-- bench:tokens -->\n\nnewer\n\n<!-- /bench:tokens -->\nafter\n');
  });

  it('writes nothing without both markers', () => {
    writeFileSync(file, '<!-- /bench:tokens --> <!-- bench:tokens -->');
    expect(writeSection(file, 'tokens', 'new')).toBe(false);
    expect(writeSection(file, 'router', 'new')).toBe(false);
    expect(writeSection(join(folder, 'missing.md'), 'tokens', 'new')).toBe(false);
    expect(readFileSync(file, 'utf8')).toBe('<!-- /bench:tokens --> <!-- bench:tokens -->');
  });
});

describe('markdownTable', () => {
  it('aligns columns and escapes cells of a Markdown table', () => {
    expect(markdownTable([{ title: 'name' }, { title: 'x', right: true }], [['a|b', 12]])).toBe(
      ['| name |   x |', '| ---- | --: |', '| a\\|b |  12 |'].join('\n'),
    );
  });

  it.each([
    [1240.4, '1240'],
    [56.34, '56.3'],
    [0.123, '0.12'],
    [0, '0.00'],
    [NaN, '-'],
  ])('formats %d as %s', (value, text) => expect(short(value)).toBe(text));
});
