import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PatchStatus } from '../../../lib/acceleration/patch-status.js';
import { isNative } from './acceleration-libraries.js';
import { root } from '../../project/sources.js';

interface Seen extends PatchStatus {
  readonly before: unknown[];
  readonly during: unknown[];
  readonly after: unknown[];
  readonly limits: unknown[];
  readonly afterwards: PatchStatus['targets'];
  readonly nest: string[];
  readonly one: string;
  readonly many: string[];
  readonly refused: string;
  readonly state: string;
  readonly counts: readonly number[];
  readonly restored: unknown[];
  readonly left: unknown[];
}

/** What a process of its own sees, with the packages as they are: not as Jest loads them. */
function see(...args: string[]): Seen {
  const child = ['--require', './test/support/typescript-hook.js', 'test/e2e/acceleration/acceleration.child.mjs', ...args];
  return JSON.parse(execFileSync(process.execPath, child, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })) as Seen;
}

const natively = (targets: PatchStatus['targets']) => Object.values(targets).map(({ answeredNatively }) => answeredNatively);

describe('nestjs-fast-litellm/register', () => {
  it('patches ES modules, including functions imported before, and removes the patch', () => {
    const { before, during, after, limits, targets, afterwards } = see('modules');
    expect(during).toEqual(before);
    expect(after).toEqual(before);
    expect(limits).toEqual([2, false]);
    expect(natively(targets)).toEqual(isNative ? [1, 1, 4, 0] : [0, 0, 0, 0]);
    expect(natively(afterwards)).toEqual(natively(targets));
    const states = Object.values(targets).map(({ state, copies }) => [state, copies.map(({ reason }) => reason)]);
    const expected = isNative ? ['patched', [undefined]] : ['not_applied', []];
    expect(states.slice(0, 3)).toEqual([expected, expected, expected]);
    // Its pool comes with the class.
    expect(targets.undici.state).toBe(isNative ? 'left_alone' : 'not_applied');
  });

  it('leaves the chunks of LangChain unchanged', () => {
    const { before, after, targets } = see('langchain');
    expect(after).toEqual(before);
    expect(before.length).toBeGreaterThan(10);
    // The text, and each chunk back but the last, which is short.
    expect(targets['js-tiktoken'].answeredNatively).toBe(isNative ? before.length : 0);
  });

  it('sends the requests of fetch over the pool if it has a connection', () => {
    const {
      before,
      one,
      many,
      refused,
      state,
      counts: [taken, passedOn],
      restored,
      left,
    } = see('fetch');
    expect(before).toEqual(['GET /a']);
    expect(one).toBe('POST /a');
    expect(many).toEqual(Array.from({ length: 12 }, (_, index) => `GET /${index}`));
    expect(refused).toBe('TypeError');
    // Three at a time; the others go their own way rather than wait.
    expect(taken + passedOn).toBe(isNative ? 13 : 0);
    expect(taken).toBeGreaterThanOrEqual(isNative ? 3 : 0);
    expect(taken).toBeLessThanOrEqual(4);
    expect(state).toBe(isNative ? 'patched' : 'not_applied');
    expect(restored).toEqual([true, 'GET /b', 'not_applied']);
    expect(left).toEqual([true, isNative ? 'the app has set dispatcher options (connect)' : null]);
  });

  it('sends the requests of undici 6, 7 and 8 over the pool on any version of Node', () => {
    const { state, reason, many, counts } = see('all lines of undici');
    expect(many).toEqual(new Array(many.length).fill('tea'));
    expect(many.length).toBeGreaterThanOrEqual(7);
    expect([state, reason]).toEqual(isNative ? ['patched', undefined] : ['not_applied', undefined]);
    expect(counts).toEqual(isNative ? [many.length, 0] : [0, 0]);
  });

  it('does not load Nest', () => {
    expect(see('without Nest').nest).toEqual([]);
  });

  it('skips libraries that are not installed', () => {
    const folder = mkdtempSync(join(tmpdir(), 'acceleration-'));
    const { applied, targets } = see('elsewhere', folder);
    rmdirSync(folder);
    expect(applied).toBe(isNative);
    const states = Object.values(targets).map(({ state }) => state);
    expect(states.slice(0, 3)).toEqual(Array<string>(3).fill(isNative ? 'not_installed' : 'not_applied'));
  });
});
