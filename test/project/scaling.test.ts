import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeIn, documentation, tableAfter } from './readme-document.js';
import { root } from './sources.js';

const path = 'docs/scaling.md';
const page = readFileSync(join(root, path), 'utf8');

describe('docs/scaling.md', () => {
  it('names settings and metrics that there are', () => {
    const rows = [...tableAfter(page, '## Step by step'), ...tableAfter(page, '## What breaks first')].flat().flatMap(codeIn);
    const settings = rows.filter((code) => /^(?:rateLimit|router|connectionPool|shutdown)\.\w+$/.test(code));
    const described = (name: string): boolean =>
      documentation.includes(`| \`${name}\``) || documentation.includes(`| \`${name.split('.')[1]}\``);
    expect(settings.filter((name) => !described(name))).toEqual([]);
    const metrics = rows.filter((code) => code.startsWith('fast_litellm_'));
    expect(metrics.filter((name) => !documentation.includes(`| \`${name}\``))).toEqual([]);
    expect([settings.length, metrics.length].every((count) => count > 1)).toBe(true);
  });
});
