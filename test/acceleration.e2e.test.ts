import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PatchStatus } from '../lib/acceleration/patch-status.js';
import { isNative } from './acceleration-libraries.js';
import { root } from './sources.js';

interface Seen extends PatchStatus {
  readonly before: unknown[];
  readonly during: unknown[];
  readonly after: unknown[];
  readonly limits: unknown[];
  readonly afterwards: PatchStatus['targets'];
  readonly nest: string[];
}

/** What a process of its own sees, with the packages as they are: not as Jest loads them. */
function see(...args: string[]): Seen {
  const child = ['--require', './test/typescript-hook.js', 'test/acceleration.child.mjs', ...args];
  return JSON.parse(execFileSync(process.execPath, child, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })) as Seen;
}

const natively = (targets: PatchStatus['targets']) => Object.values(targets).map(({ answeredNatively }) => answeredNatively);

describe('nestjs-fast-litellm/register', () => {
  it('accelerates ES modules too, functions taken out of them before, and puts them back', () => {
    const { before, during, after, limits, targets, afterwards } = see('modules');
    expect(during).toEqual(before);
    expect(after).toEqual(before);
    expect(limits).toEqual([2, false]);
    expect(natively(targets)).toEqual(isNative ? [1, 1, 4] : [0, 0, 0]);
    expect(natively(afterwards)).toEqual(natively(targets));
    const states = Object.values(targets).map(({ state, copies }) => [state, copies.map(({ reason }) => reason)]);
    const expected = isNative ? ['patched', [undefined]] : ['not_applied', []];
    expect(states).toEqual([expected, expected, expected]);
  });

  it('gives LangChain the same chunks', () => {
    const { before, after, targets } = see('langchain');
    expect(after).toEqual(before);
    expect(before.length).toBeGreaterThan(10);
    expect(targets['js-tiktoken'].answeredNatively).toBe(isNative ? 1 : 0);
  });

  it('loads no Nest', () => {
    expect(see('without Nest').nest).toEqual([]);
  });

  it('passes over what is not installed', () => {
    const folder = mkdtempSync(join(tmpdir(), 'acceleration-'));
    const { applied, targets } = see('elsewhere', folder);
    rmdirSync(folder);
    expect(applied).toBe(isNative);
    const states = Object.values(targets).map(({ state }) => state);
    expect(states).toEqual(Array<string>(3).fill(isNative ? 'not_installed' : 'not_applied'));
  });
});
