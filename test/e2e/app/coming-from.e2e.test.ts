import { Logger, type INestApplication, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import request, { type Response } from 'supertest';
import ts from 'typescript';
import { codeBlocks, codeIn, tableAfter } from '../../project/readme-document.js';
import { root } from '../../project/sources.js';

beforeAll(() => Logger.overrideLogger(false));

const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** What a program exports. */
function run(program: string): Readonly<Record<string, unknown>> {
  const compilerOptions: ts.CompilerOptions = {
    module: ts.ModuleKind.CommonJS,
    target: ts.ScriptTarget.ES2022,
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
  };
  const { outputText } = ts.transpileModule(program, { compilerOptions });
  const exported = {};
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- an app of the fixtures, and the guide's change of it
  const evaluate = new Function('require', 'exports', outputText) as (...args: unknown[]) => void;
  evaluate((name: string): unknown => jest.requireActual(name), exported);
  return exported;
}

/** An app of the fixtures before and after the change that a guide shows of it. */
function changed(guide: string, app: string): [before: Readonly<Record<string, unknown>>, after: Readonly<Record<string, unknown>>] {
  const before = read(`test/fixtures/coming-from/${app}.ts`);
  const side = (diff: string, sign: '-' | '+'): string =>
    diff
      .split('\n')
      .filter((line) => line === '' || line[0] === ' ' || line[0] === sign)
      .map((line) => line.slice(1))
      .join('\n');
  const diffs = codeBlocks({ path: guide, text: read(guide) }).filter(({ info }) => info === 'diff');
  const diff = diffs.find(({ text }) => side(text, '-') === before);
  if (diff === undefined) throw new Error(`${guide} has no change of ${app}.ts`);
  return [run(before), run(side(diff.text, '+'))];
}

describe('docs/coming-from-throttler.md', () => {
  const apps: INestApplication[] = [];
  afterAll(() => Promise.all(apps.map((app) => app.close())));

  /** The answers to the same requests. */
  async function answers(program: Readonly<Record<string, unknown>>): Promise<Response[]> {
    const module = await Test.createTestingModule({ imports: [program.AppModule as Type<unknown>] }).compile();
    const app = module.createNestApplication();
    apps.push(app);
    await app.init();
    const client = request(app.getHttpServer() as never);
    const found: Response[] = [];
    for (const path of ['/reports', '/reports', '/reports', '/reports/export', '/reports/export', '/health', '/health', '/months'])
      found.push(await client.get(path));
    return found;
  }

  it('limits the same requests after the change', async () => {
    const [before, after] = changed('docs/coming-from-throttler.md', 'throttler');
    const [theirs, ours] = [await answers(before), await answers(after)];
    const statuses = [200, 200, 429, 200, 429, 200, 200];
    // Theirs count each route by itself.
    expect(theirs.map(({ status }) => status)).toEqual([...statuses, 200]);
    expect(ours.map(({ status }) => status)).toEqual([...statuses, 429]);
    const headers = ({ headers: all }: Response): string[] =>
      Object.keys(all as object)
        .filter((name) => /ratelimit|retry-after/.test(name))
        .sort();
    const shown = (row: string, column: number): string[] => {
      const cells = tableAfter(read('docs/coming-from-throttler.md'), '## What changes in responses').find(([cell]) => cell === row) ?? [];
      return codeIn(cells[column]).sort();
    };
    expect(headers(theirs[0])).toEqual(shown('allowed', 1));
    expect(headers(ours[0])).toEqual(shown('allowed', 2));
    expect(headers(theirs[2])).toEqual(shown('denied', 1));
    expect(headers(ours[2])).toEqual([...headers(ours[0]), ...shown('denied', 2)].sort());
    expect([headers(theirs[5]), headers(ours[5])]).toEqual([[], []]);
    expect(Object.keys(theirs[2].body as object)).toEqual(['statusCode', 'message']);
    expect(ours[2].body).toEqual({
      error: { message: expect.any(String) as string, type: 'requests', param: null, code: 'rate_limit_exceeded' },
    });
  });
});

describe('docs/coming-from-js-tiktoken.md', () => {
  const TEXTS = ['', 'Hello world', 'The quick brown fox jumps over the lazy dog. '.repeat(20), '你好，世界', 'naïve café'];

  it.each(['js-tiktoken', 'gpt-tokenizer'])('counts as %s did', (app) => {
    const [before, after] = changed('docs/coming-from-js-tiktoken.md', app) as unknown as Record<
      'tokensOf' | 'fits' | 'shorten',
      (...args: unknown[]) => unknown
    >[];
    for (const text of TEXTS) {
      expect(after.tokensOf(text)).toBe(before.tokensOf(text));
      for (const most of [0, 2, 50, 500]) expect(after.fits(text, most)).toBe(before.fits(text, most));
    }
    for (const most of [1, 2, 5]) expect(after.shorten(TEXTS[2], most)).toBe(before.shorten(TEXTS[2], most));
    // They refuse a text that looks like a special token; here it is ordinary text.
    expect(() => before.tokensOf('<|endoftext|>')).toThrow();
    expect(after.tokensOf('<|endoftext|>')).toBeGreaterThan(1);
  });
});
