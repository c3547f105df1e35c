import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../project/sources.js';

/** What the sources of a version need to run: packages are those of this folder. */
const SOURCES = ['lib', 'test/support', 'native/index.js', 'native/index.d.ts', 'package.json'];

/** `undefined` if git fails. */
function git(...args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return status === 0 ? stdout.trim() : undefined;
}

/**
 * Commits whose versions run next to this one during a rollout: the last release, otherwise `recorded`. Empty if
 * the history lacks them, as in a shallow clone.
 */
export function previousCommits(recorded: readonly string[]): readonly string[] {
  const released = git('describe', '--tags', '--abbrev=0', '--match', 'v[0-9]*', 'HEAD^');
  return (released === undefined ? recorded : [released]).filter((commit) => git('cat-file', '-e', `${commit}^{commit}`) !== undefined);
}

/** Arguments of Node that run the program of a commit from its sources, on the TypeScript engines. */
export function programOf(commit: string): readonly string[] {
  const id = git('rev-parse', `${commit}^{commit}`) as string;
  const cache = join(root, 'node_modules', '.cache', 'previous-versions');
  const folder = join(cache, id);
  if (!existsSync(folder)) {
    mkdirSync(cache, { recursive: true });
    const extracted = mkdtempSync(join(cache, 'extracted-'));
    const { status, stderr } = spawnSync('sh', ['-c', `git archive ${id} ${SOURCES.join(' ')} | tar -x -C "$0"`, extracted], { cwd: root });
    if (status !== 0) throw new Error(`git archive ${id}: ${String(stderr)}`);
    // In one step: another suite can do the same.
    try {
      renameSync(extracted, folder);
    } catch {
      rmSync(extracted, { recursive: true });
    }
  }
  return ['--require', join(folder, 'test/support/typescript-hook.js'), join(folder, 'lib/cli/main.ts')];
}
