import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { OptionTables, withOptionTables } from './option-tables.js';
import { codeIn, documentation, documents, tableAfter } from './readme-document.js';
import { root } from './sources.js';

const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config, ts.sys, root);
const entries = ['index.ts', 'testing.ts'].map((file) => join(root, 'lib', file));
const described = documents.flatMap(({ text }) => [...text.matchAll(/^<!-- options:(\w+) -->$/gm)].map(([, name]) => name));
// Limits are among the options themselves, and rates in `ModelPricing`; other tables refer to them.
const whole = new Set([...described, 'RateLimits', 'LengthRates', 'OffPeakRates']);
const tables = new OptionTables(ts.createProgram(entries, options), whole);
const pathsOf = (name: string): string[] => tables.rows(name).map(({ path }) => path);

describe('the tables of options', () => {
  // To write them: `UPDATE_DOCS=1 npx jest test/project/option-tables`.
  it.each(documents.filter(({ text }) => text.includes('<!-- options:')).map(({ path }) => path))('in %s are current', (path) => {
    const file = join(root, path);
    const current = readFileSync(file, 'utf8');
    const written = withOptionTables(current, tables);
    if (process.env.UPDATE_DOCS === '1') writeFileSync(file, written);
    else expect(current.split('\n')).toEqual(written.split('\n'));
  });

  it.each(described.filter((name) => !tables.isDeclared(name)))('%s has every option, and no other', (name) => {
    const paths = tableAfter(documentation, `<!-- options:${name} -->`).map(([cell]) => codeIn(cell)[0].replace(/<\w+>/g, '<name>'));
    expect(paths.sort()).toEqual(pathsOf(name).sort());
  });

  it('describe every exported interface of options', () => {
    const main = new Set(pathsOf('FastLiteLLMOptions'));
    const prefixes = ['', ...[...main].map((path) => `${path}.`)];
    const names = tables.exportedInterfaces(/^[A-Z]\w*(?:Options|Rule)$/);
    const missing = names.filter(
      (name) => !described.includes(name) && !prefixes.some((prefix) => pathsOf(name).every((path) => main.has(prefix + path))),
    );
    expect(missing).toEqual([]);
    expect(names).toEqual(expect.arrayContaining(['FastLiteLLMOptions', 'CountOptions', 'RateLimitRule', 'RedisRateLimitStoreOptions']));
  });

  it('explain every declared option', () => {
    const rows = described.filter((name) => tables.isDeclared(name)).flatMap((name) => tables.rows(name));
    expect(rows.filter(({ path, meaning }) => meaning === '' && !path.endsWith('<name>'))).toEqual([]);
    expect(rows.length).toBeGreaterThan(200);
  });

  it('have a type and a default in every row', () => {
    const rows = described.flatMap((name) => tableAfter(documentation, `<!-- options:${name} -->`));
    expect(rows.filter(([, type, fallback]) => type === '' || fallback === '')).toEqual([]);
  });
});
