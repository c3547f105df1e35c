import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './sources.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'ready-test-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  /** The last lines, from "checks:" on. */
  readonly lines: readonly string[];
  readonly report: { readonly passed: number; readonly failed: number; readonly flaky: readonly { readonly title: string }[] };
}

/** Runs checks as scripts/ready.js does, in a process of its own. */
function ready(work: string): Promise<Ended> {
  const reportPath = join(folder, 'reports', 'ready.json');
  const program = `
    const { Checks } = require(${JSON.stringify(join(root, 'scripts/ready/checks.js'))});
    const checks = new Checks({ suiteLimitMs: 4_000, reportPath: ${JSON.stringify(reportPath)} });
    const folder = ${JSON.stringify(folder)};
    (async () => {
      ${work}
      await checks.repeatFailures();
      checks.conclude();
    })();`;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'pipe'] });
    let [printed, errors] = ['', ''];
    child.stdout.on('data', (chunk) => (printed += chunk));
    child.stderr.on('data', (chunk) => (errors += chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      if (!printed.includes('checks:')) return reject(new Error(`no last lines\n${printed}\n${errors}`));
      const lines = printed.slice(printed.indexOf('checks:')).trim().split('\n');
      resolve({ code, lines, report: JSON.parse(readFileSync(reportPath, 'utf8')) as Ended['report'] });
    });
  });
}

/** Runs suites with Jest, in the environment of this project. */
function suites(files: Readonly<Record<string, string>>): Promise<Ended> {
  const config = {
    rootDir: join(folder, 'suites'),
    testEnvironment: join(root, 'test/support/jest-environment.js'),
    transform: {},
    testTimeout: 1_000,
    maxWorkers: 2,
    workerIdleMemoryLimit: '64GB',
  };
  mkdirSync(config.rootDir);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(config.rootDir, name), text);
  writeFileSync(join(folder, 'jest.config.json'), JSON.stringify(config));
  return ready(`await checks.jest({ name: 'tests', args: ['test.js'], jestArgs: ['--config', folder + '/jest.config.json'] });`);
}

/** Fails in its first run only. */
const flakySuite = (title: string): string => `
  const { existsSync, writeFileSync } = require('node:fs');
  test('${title}', () => {
    const mark = __filename + '.mark';
    const isFirst = !existsSync(mark);
    writeFileSync(mark, '');
    expect(isFirst).toBe(false);
  });`;
const passing = `test('passes', () => {});`;

describe('npm run ready', () => {
  it('lists a test that passes when it runs again, and does not fail', async () => {
    const { code, lines, report } = await suites({ 'a.test.js': flakySuite('a race'), 'b.test.js': passing });
    expect(lines).toEqual([expect.stringMatching(/^checks: tests \d+ s,$/), 'flaky: a.test.js › a race (tests)', '2 passed, 0 failed']);
    expect(code).toBe(0);
    expect(report).toMatchObject({ passed: 2, failed: 0, flaky: [{ title: 'a race' }] });
  });

  it('fails for tests and suites that fail, crash or hang again', async () => {
    const { code, lines } = await suites({
      'breaks.test.js': `test('breaks', () => expect(1).toBe(2));`,
      'exits.test.js': `test('exits', () => process.reallyExit(3));`,
      'flaky.test.js': flakySuite('a race'),
      'kills.test.js': `test('kills', () => process.kill(process.pid, 'SIGKILL'));`,
      'loads.test.js': `require('./missing.js');`,
      'passes.test.js': passing,
      'spins.test.js': `test('spins', () => { for (;;); });`,
      'waits.test.js': `test('waits', () => new Promise(() => {}));`,
    });
    expect(lines.slice(0, 2)).toEqual([expect.stringMatching(/^checks: tests \d+ s FAILED,$/), 'flaky: flaky.test.js › a race (tests)']);
    const shown = lines.slice(2, -2).join('\n');
    expect(
      shown
        .split(/^FAILED: /m)
        .filter(Boolean)
        .sort(),
    ).toEqual([
      expect.stringMatching(
        /^breaks\.test\.js › breaks \(tests\)\n {4}Error: expect\(.*Expected: 2 \| Received: 1\n {4}at .*breaks\.test\.js:1:/,
      ),
      expect.stringMatching(/^exits\.test\.js \(tests\)\n {4}Error: Jest worker encountered 4 child process exceptions/),
      expect.stringMatching(
        /^kills\.test\.js \(tests\)\n {4}Error: A jest worker process .* was terminated by another process: signal=SIGKILL/,
      ),
      expect.stringMatching(/^loads\.test\.js \(tests\)\n {4}Error: Cannot find module '\.\/missing\.js' .*\n {4}at .*loads\.test\.js:1:/),
      expect.stringMatching(/^spins\.test\.js \(tests\)\n {4}killed after 4 s without an end/),
      expect.stringMatching(
        /^waits\.test\.js › waits \(tests\)\n {4}Error: thrown: "Exceeded timeout of 1000 ms.*\n {4}at .*waits\.test\.js:1:/,
      ),
    ]);
    expect(lines.slice(-2)).toEqual(['failed: tests', '2 passed, 6 failed']);
    expect(code).toBe(1);
  });

  it('fails for more than ten flaky tests', async () => {
    const text = `
      const { existsSync, writeFileSync } = require('node:fs');
      const isFirst = !existsSync(__filename + '.mark');
      writeFileSync(__filename + '.mark', '');
      test.each(Array.from({ length: 11 }, (_, at) => at))('race %s', () => expect(isFirst).toBe(false));`;
    const { code, lines } = await suites({ 'a.test.js': text });
    expect(lines.slice(-4)).toEqual([
      'flaky: a.test.js › race 9 (tests)',
      'flaky: 1 more, in reports/ready.json',
      'failed: more than 10 flaky tests',
      '11 passed, 1 failed',
    ]);
    expect(code).toBe(1);
  });

  it('fails if no suite is found', async () => {
    const { code, lines } = await suites({});
    expect(lines.at(-1)).toBe('0 passed, 1 failed');
    expect(code).toBe(1);
  });

  /** A command that prints one text the first time and another one later. */
  const command = (...times: readonly (readonly [string, number])[]): string => {
    const program = `
      const { appendFileSync, readFileSync } = require('node:fs');
      const runs = ${JSON.stringify(join(folder, 'runs'))};
      appendFileSync(runs, process.argv.slice(1).join(' ') + ';');
      const times = ${JSON.stringify(times)};
      const [text, code] = times[Math.min(times.length, readFileSync(runs, 'utf8').split(';').length - 1) - 1];
      console.log(text);
      process.exitCode = code;`;
    return `[process.execPath, ['-e', ${JSON.stringify(program)}, '--']]`;
  };
  const runs = (): string => readFileSync(join(folder, 'runs'), 'utf8');

  const rustOk = 'test a::one ... ok\ntest a::two ... ok\ntest result: ok. 2 passed; 0 failed';
  const rustFails =
    "test a::one ... ok\ntest a::two ... FAILED\n\n---- a::two stdout ----\nthread 'a::two' panicked at core/src/a.rs:7:5:\nleft 1, right 2\n\n\ntest result: FAILED. 1 passed; 1 failed";

  it('runs failed tests of Rust again, by their names', async () => {
    const { code, lines } = await ready(`await checks.rust('cargo test', ${command([rustFails, 101], [rustOk, 0])});`);
    expect(lines.slice(1)).toEqual(['flaky: cargo test › a::two', '2 passed, 0 failed']);
    expect(code).toBe(0);
    expect(runs()).toBe(';-- --exact a::two;');
  });

  it('shows the message of a failed test of Rust', async () => {
    const { code, lines } = await ready(`await checks.rust('cargo test', ${command([rustFails, 101])});`);
    expect(lines.slice(1)).toEqual([
      'FAILED: cargo test › a::two',
      "    thread 'a::two' panicked at core/src/a.rs:7:5: | left 1, right 2",
      'failed: cargo test',
      '1 passed, 1 failed',
    ]);
    expect(code).toBe(1);
  });

  it.each([
    [
      'does not compile',
      'error[E0308]: mismatched types\nerror: could not compile `core`',
      'error[E0308]: mismatched types | error: could not compile `core`',
    ],
    ['crashes', 'test a::one ... ok', 'test a::one ... ok'],
  ])('fails if Rust %s', async (_, text, message) => {
    const { code, lines } = await ready(`await checks.rust('cargo test', ${command([text, 101])});`);
    expect(lines.slice(1)).toEqual(['FAILED: cargo test', `    ${message}`, 'failed: cargo test', '0 passed, 1 failed']);
    expect(code).toBe(1);
  });

  it('runs failed examples again, by their names', async () => {
    const failed =
      'ok: first, addon\nFAILED: second, addon, Node 20\nError: no port\n    at main (docs/examples/second/check.js:3:1)\nok: third, addon\n2 passed, 1 failed';
    const work = (times: string): string => `await checks.counted('examples', ${times}, { nameOf: (title) => title.split(', ')[0] });`;
    const flaky = await ready(work(command([failed, 1], ['ok: second, addon, Node 20\n1 passed, 0 failed', 0])));
    expect(flaky.lines.slice(1)).toEqual(['flaky: examples › second, addon, Node 20', '3 passed, 0 failed']);
    expect(flaky.code).toBe(0);
    expect(runs()).toBe(';second;');
    const broken = await ready(work(command([failed, 1])));
    expect(broken.lines.slice(1)).toEqual([
      'FAILED: examples › second, addon, Node 20',
      '    Error: no port',
      '    at main (docs/examples/second/check.js:3:1)',
      'failed: examples',
      '2 passed, 1 failed',
    ]);
  });

  it('repeats only those checks without tests that can vary', async () => {
    const work = `
      await checks.plain('steps', ${command(['one more call', 1], ['', 0])}, { canVary: true });
      await checks.plain('lint', [process.execPath, ['-e', 'console.log("a.ts: unused"); process.exitCode = 2']]);`;
    const { code, lines } = await ready(work);
    expect(lines).toEqual([
      expect.stringMatching(/^checks: steps \d+ s, lint \d+ s FAILED,$/),
      'flaky: steps',
      'FAILED: lint',
      '    a.ts: unused',
      'failed: lint',
      '0 passed, 1 failed',
    ]);
    expect(code).toBe(1);
  });

  it('ends with at most 40 lines, and the rest in the report', async () => {
    const text = `test.each(Array.from({ length: 60 }, (_, at) => at))('case %s', () => { throw new Error('broken'); });`;
    const { lines, report } = await suites({ 'a.test.js': text });
    expect(lines.length).toBeLessThanOrEqual(40);
    expect(lines).toContain('FAILED: a.test.js › case 0 (tests)');
    expect(lines.at(-3)).toMatch(/^FAILED: \d+ more, in reports\/ready\.json$/);
    expect(lines.at(-1)).toBe('0 passed, 60 failed');
    expect(report.failed).toBe(60);
  });
});
