import { benchArguments, commandLine } from './arguments.js';

describe('the arguments of a bench', () => {
  it('write docs/benchmarks.md only after a full run', () => {
    expect(benchArguments([])).toMatchObject({ quick: false, only: [], engines: [], writeDocs: true });
    expect(benchArguments(['--only', 'fresh, hot', '--json', 'a.json'])).toMatchObject({
      only: ['fresh', 'hot'],
      json: 'a.json',
      writeDocs: false,
    });
    expect(() => benchArguments(['--fast'])).toThrow("'--fast'");
  });

  it('are shown without paths of this machine', () => {
    expect(commandLine('pool', ['--quick', '--json', '/home/me/a.json', '--write-docs'])).toBe('npm run bench -- pool --quick');
    expect(commandLine('pool', ['--json=/home/me/a.json'])).toBe('npm run bench -- pool');
    expect(commandLine('gateway', ['--before', '/home/me/old'])).toBe('npm run bench -- gateway --before DIR');
    expect(commandLine('gateway', ['--before=/home/me/old'])).toBe('npm run bench -- gateway --before DIR');
    expect(commandLine(undefined, [])).toBe('npm run bench');
    expect(commandLine(undefined, ['--quick'])).toBe('npm run bench -- --quick');
  });
});
