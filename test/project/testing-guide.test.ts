import { Logger } from '@nestjs/common';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { isComplete } from '../support/long.js';
import { codeBlocks, codeIn, tableAfter } from './readme-document.js';
import { root } from './sources.js';

beforeAll(() => Logger.overrideLogger(false));

const path = 'docs/testing.md';
const guide = readFileSync(join(root, path), 'utf8');
const blocks = codeBlocks({ path, text: guide }).filter(({ info, text }) => info === 'ts' && /^(?:it|test)\(/m.test(text));
const [withJest, withNodeTest, withNest, withLimits] = blocks.map(({ text }) => text);

/** A file in a folder of its own, until `run` returns. */
function withFile(name: string, text: string, run: (folder: string, file: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'testing-guide-'));
  try {
    writeFileSync(join(folder, name), text);
    run(folder, join(folder, name));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('the examples of docs/testing.md', () => {
  it('are three for Jest, one of them with Nest, and one for node:test', () => {
    expect(blocks).toHaveLength(4);
    expect(withNodeTest).toContain("from 'node:test'");
    expect(withNest).toContain("from '@nestjs/testing'");
  });

  // They declare their tests here.
  for (const text of [withJest, withNest, withLimits]) {
    const { outputText } = ts.transpileModule(text, {
      compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
    });
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the guide's own text
    const declare = new Function('require', 'exports', outputText) as (requirePackage: (name: string) => unknown, exports: object) => void;
    declare((name) => jest.requireActual(name), {});
  }

  it('run with node:test', () => {
    withFile('chat.test.ts', withNodeTest, (_, file) => {
      const hook = join(root, 'test', 'support', 'typescript-hook.js');
      const said = execFileSync(process.execPath, ['--require', hook, '--test-reporter=tap', file], { encoding: 'utf8' });
      expect(said).toMatch(/^# pass 1$/m);
      expect(said).toMatch(/^# fail 0$/m);
    });
  });

  // Installs Vitest, and uses the build in dist/.
  (isComplete ? it : it.skip)(
    'run with Vitest',
    () => {
      const [, imported] = /`(import [^`]* from 'vitest';)`/.exec(guide) ?? [];
      withFile('chat.test.ts', `${imported}\n${withJest}`, (folder) => {
        writeFileSync(join(folder, 'package.json'), '{ "private": true }');
        execFileSync('npm', ['install', '--no-audit', '--no-fund', 'vitest@3'], { cwd: folder, stdio: 'ignore' });
        mkdirSync(join(folder, 'node_modules'), { recursive: true });
        symlinkSync(root, join(folder, 'node_modules', 'nestjs-fast-litellm'), 'dir');
        const vitest = join(folder, 'node_modules', 'vitest', 'vitest.mjs');
        const said = execFileSync(process.execPath, [vitest, 'run', '--reporter=tap'], { cwd: folder, encoding: 'utf8' });
        expect(said).toMatch(/^\s*ok 1 - answers from Claude/m);
      });
    },
    300_000,
  );
});

it('lists every fault, and no other', () => {
  const source = readFileSync(join(root, 'lib', 'testing', 'script.ts'), 'utf8');
  const [, union] = /^export type ProviderFault =([^;]*);/m.exec(source) ?? [];
  const described = tableAfter(guide, '<!-- faults -->').flatMap(([cell]) => codeIn(cell));
  expect(described).toEqual([...union.matchAll(/'(\w+)'/g)].map(([, name]) => name));
});
