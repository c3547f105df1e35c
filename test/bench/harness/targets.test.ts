import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { recordTargets } from './targets.js';
import { atLeast, atMost } from './verdict.js';

describe('recordTargets', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-targets-'));
  const benchmarks = join(folder, 'benchmarks.md');
  const files = { benchmarks, readme: join(folder, 'README.md') };
  const machine = { date: '2026-11-29', cpu: '2 x CPU', node: 'v20' };
  const sections = '<!-- bench:all -->\n<!-- /bench:all -->\n<!-- bench:targets -->\n<!-- /bench:targets -->\n';
  beforeEach(() => writeFileSync(benchmarks, sections));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** The rows of all tables, without their heads. */
  const rows = (): string[] => {
    const cells = readFileSync(benchmarks, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('|') && !/^\| (?:bench|-+) /.test(line));
    return cells.map((line) => line.replace(/ +/g, ' '));
  };

  it('replaces the rows of one bench and keeps those of the others', () => {
    recordTargets({ name: 'router', ...machine, targets: atMost('a pick', 50, 40, ' ns'), isPart: false }, files);
    recordTargets({ name: 'pool', ...machine, targets: atMost('a|lease', 20, 25, ' ns'), isPart: false }, files);
    recordTargets({ name: 'router', ...machine, date: '2026-11-30', targets: atMost('another pick', 30, 40, ' ns'), isPart: false }, files);
    expect(rows()).toEqual([
      '| pool | 2026-11-29 | 2 x CPU, Node v20 | 1 | 1 |',
      '| router | 2026-11-30 | 2 x CPU, Node v20 | 1 | 1 |',
      '| pool | a\\|lease | <= 25 ns | 20.0 ns | yes |',
      '| router | another pick | <= 40 ns | 30.0 ns | yes |',
    ]);
    expect(readFileSync(benchmarks, 'utf8')).toContain('2 of 2 targets are met.');
  });

  it('keeps the rows that a run of some rows did not measure', () => {
    const targets = [...atLeast('one', 1, 2, ' x'), ...atLeast('two', 3, 2, ' x')];
    recordTargets({ name: 'tokens', ...machine, targets, isPart: false }, files);
    recordTargets({ name: 'tokens', ...machine, targets: atLeast('one', 5, 2, ' x'), isPart: true }, files);
    expect(rows()).toEqual([
      '| tokens | 2026-11-29, in part | 2 x CPU, Node v20 | 2 | 2 |',
      '| tokens | two | >= 2 x | 3.00 x | yes |',
      '| tokens | one | >= 2 x | 5.00 x | yes |',
    ]);
  });
});
