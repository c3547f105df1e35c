'use strict';
// The checks of `npm run ready`: runs each one and collects its failed tests, repeats these, and
// prints the result.

const { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { dirname, join } = require('node:path');
const { stripVTControlCharacters } = require('node:util');
const { root, run, capture } = require('../process.js');
const { closingLines } = require('./closing-lines.js');

/** The suites have real servers and time-outs: a compiler must not take their CPU time. */
const PATIENT = { isPatient: true };

/**
 * A run with more failed files has one cause, and repeating them would take too long. A run with
 * more flaky tests fails, so the repetition could not change its result.
 */
const MOST_REPEATED_FILES = 20;

/**
 * @typedef {{ file: string, title: string, text: string, path?: string, check?: string }} Failure
 *   a failed test; without a title, its whole file, which could not be loaded, crashed or hung.
 *   path: absolute, of a suite of Jest
 * @typedef {{ passed: number, failures: Failure[], isFinal?: boolean }} Outcome
 *   isFinal: running the failed tests again cannot show that the check passes
 * @typedef {{ name: string, code: number, seconds: number, failures: Failure[],
 *   repeat?: (failures: Failure[]) => Promise<Outcome> }} Result
 */

/** Whether a failure of the repetition confirms one of the first run. */
const confirms = (first) => (second) =>
  first.file === second.file && (first.title === second.title || first.title === '' || second.title === '');

/** What a failed command printed last: the message of a check without tests. */
function lastLines(output) {
  const lines = stripVTControlCharacters(output).split('\n');
  return lines
    .filter((line) => line.trim() !== '')
    .slice(-5)
    .join('\n');
}

/** Reads the output of `cargo test`: `test a::b ... FAILED`, and `---- a::b stdout ----`. */
function rustOutcome(file, output) {
  const outcome = { passed: 0, failures: [] };
  for (const [, passed] of output.matchAll(/^test result: \w+\. (\d+) passed/gm)) outcome.passed += Number(passed);
  for (const [, title] of output.matchAll(/^test (\S+) \.\.\. FAILED$/gm)) {
    const [, text = ''] = output.split(`---- ${title} stdout ----\n`);
    outcome.failures.push({ file, title, text: text.split('\n\n')[0] });
  }
  return outcome;
}

/** Reads the output of our own scripts: `FAILED: title`, its lines, and `N passed, N failed`. */
function countedOutcome(file, output) {
  const [, passed = '0'] = [...output.matchAll(/^(\d+) passed, \d+ failed$/gm)].at(-1) ?? [];
  const parts = output.split(/^(?=ok: |FAILED: |\d+ passed, )/m).filter((part) => part.startsWith('FAILED: '));
  const failures = parts.map((part) => {
    const [first, ...rest] = part.split('\n');
    return { file, title: first.slice('FAILED: '.length), text: lastLines(rest.join('\n')) };
  });
  return { passed: Number(passed), failures };
}

class Checks {
  /**
   * @param {{ suiteLimitMs: number, checkLimitMs?: number, reportPath?: string }} options
   *   time after which a suite of Jest, or a check without Jest, is killed
   */
  constructor({ suiteLimitMs, checkLimitMs = 0, reportPath = join(root, 'reports', 'ready.json') }) {
    this.reportPath = reportPath;
    this.suiteLimitMs = suiteLimitMs;
    this.checkLimitMs = checkLimitMs;
    this.passed = 0;
    /** @type {Result[]} */
    this.results = [];
    /** @type {Failure[]} */
    this.flaky = [];
  }

  /**
   * Runs one check. Its output is printed if it fails.
   * @param {() => Promise<{ code: number, output?: string, outcome: Outcome }>} work
   * @param {Result['repeat']} repeat how its failed tests run again; without it, they do not
   */
  async check(name, work, repeat) {
    const startedMs = performance.now();
    const { code, output = '', outcome } = await work();
    const { passed, failures, isFinal } = outcome;
    // For example a compiler's error: no test has run.
    if (code !== 0 && failures.length === 0) failures.push({ file: name, title: '', text: lastLines(output) || `exit code ${code}` });
    const seconds = (performance.now() - startedMs) / 1_000;
    this.passed += passed;
    this.results.push({ name, code, seconds, failures, repeat: isFinal ? undefined : repeat });
    const isOk = failures.length === 0;
    console.error(`\n[ready] ${name}: ${isOk ? 'ok' : `FAILED (${code})`}, ${seconds.toFixed(1)} s\n${isOk ? '' : output}`);
  }

  fail(name, text) {
    this.results.push({ name, code: 1, seconds: 0, failures: [{ file: name, title: '', text }] });
  }

  async captured([command, args], options, read) {
    const { code, output, timedOut } = await capture(command, args, { timeoutMs: this.checkLimitMs, ...options });
    return { code, output: timedOut ? `${output}\ntimed out` : output, outcome: read(output) };
  }

  /**
   * A check without tests.
   * @param {{ canVary?: boolean }} options canVary: runs again if it fails
   */
  async plain(name, command, { canVary = false, ...options } = {}) {
    const work = () => this.captured(command, options, () => ({ passed: 0, failures: [] }));
    const repeat = async () => {
      const { code, output } = await work();
      return { passed: 0, failures: code === 0 ? [] : [{ file: name, title: '', text: lastLines(output) }] };
    };
    await this.check(name, work, canVary ? repeat : undefined);
  }

  /** Tests of Rust. When failed tests run again, their names are added to the command. */
  async rust(name, [command, args], options = PATIENT) {
    const work = (more, priority) => this.captured([command, [...args, ...more]], priority, (output) => rustOutcome(name, output));
    await this.check(
      name,
      () => work([], options),
      (failures) =>
        this.again(name, work(failures.some(({ title }) => title === '') ? [] : ['--', '--exact', ...failures.map(({ title }) => title)])),
    );
  }

  /**
   * A script that prints `FAILED: title` for each failed test, and ends with `N passed, N failed`.
   * @param {{ nameOf?: (title: string) => string }} options nameOf: the script's argument for one
   *   test; without it, failed tests do not run again
   */
  async counted(name, [command, args], { nameOf, ...options } = {}) {
    const work = (more) => this.captured([command, [...args, ...more]], options, (output) => countedOutcome(name, output));
    const repeat = (failures) => {
      const isWhole = failures.some(({ title }) => title === '');
      return this.again(name, work(isWhole ? [] : [...new Set(failures.map(({ title }) => nameOf(title)))]));
    };
    await this.check(name, () => work([]), nameOf && repeat);
  }

  /** The outcome of a repetition. Without a failed test, a failed command confirms all failures. */
  async again(file, work) {
    const { code, output, outcome } = await work;
    if (code !== 0 && outcome.failures.length === 0) outcome.failures.push({ file, title: '', text: lastLines(output) });
    return outcome;
  }

  /**
   * Runs Jest on this terminal.
   * @param {{ name: string, args?: string[], env?: NodeJS.ProcessEnv, node?: string,
   *   command?: [string, string[], object?], jestArgs?: string[] }} check
   *   args: which suites; node: executable, default this one; command: default Jest;
   *   jestArgs: also for the repetition
   */
  async jest({ name, args = [], env = {}, node = process.execPath, jestArgs = [], command }) {
    const jestBin = [node, [join(root, 'node_modules', 'jest', 'bin', 'jest.js')]];
    console.error(`\n[ready] ${name}`);
    const work = (first, more) => this.runJest(first, [...jestArgs, ...more], env);
    await this.check(
      name,
      () => work(command ?? jestBin, args),
      async (failures) => {
        const paths = [...new Set(failures.map(({ path }) => path))];
        const { outcome } = await work(jestBin, ['--maxWorkers=1', '--runTestsByPath', ...paths]);
        return outcome.isFinal ? { passed: 0, failures } : outcome;
      },
    );
  }

  async runJest([program, own, options], args, env) {
    const folder = mkdtempSync(join(tmpdir(), 'ready-'));
    const results = join(folder, 'results.jsonl');
    const workers = join(folder, 'workers');
    mkdirSync(workers);
    writeFileSync(results, '');
    // The option takes all words up to the next option, so it comes last.
    const reporters = ['--reporters=default', `--reporters=${join(__dirname, 'suite-reporter.js')}`];
    const limits = { READY_RESULTS: results, READY_WORKERS: workers, READY_SUITE_LIMIT_MS: String(this.suiteLimitMs) };
    const code = await run(program, [...own, ...args, ...reporters], { ...options, env: { ...process.env, ...env, ...limits } });
    // Interrupted by Ctrl-C or SIGTERM.
    if (code === 130 || code === 143) process.exit(code);
    const lines = readFileSync(results, 'utf8').trim().split('\n').filter(Boolean);
    rmSync(folder, { recursive: true, force: true });
    return {
      code,
      outcome: jestOutcome(
        lines.map((line) => JSON.parse(line)),
        code,
      ),
    };
  }

  /**
   * Runs failed tests once more, with one worker and nothing else. What passes then is flaky: it is
   * reported, and does not fail the run.
   */
  async repeatFailures() {
    const files = new Set(this.results.flatMap(({ repeat, failures }) => (repeat ? failures.map(({ file }) => file) : [])));
    if (files.size > MOST_REPEATED_FILES) {
      console.error(`\n[ready] ${files.size} files failed: more than ${MOST_REPEATED_FILES} do not run again`);
      return;
    }
    for (const result of this.results) {
      const { name, failures, repeat } = result;
      if (failures.length === 0 || repeat === undefined) continue;
      console.error(`\n[ready] ${name}: ${failures.length} failed, again and alone`);
      const second = await repeat(failures);
      result.failures = failures.filter((first) => second.failures.some(confirms(first)));
      // A test that has passed before has failed once as well.
      const others = second.failures.filter((one) => !failures.some((first) => confirms(first)(one)));
      const flaky = [...failures.filter((first) => !result.failures.includes(first)), ...others];
      this.flaky.push(...flaky.map((one) => ({ ...one, check: name })));
      // The others have been counted in the first run.
      this.passed += flaky.filter((one) => one.title !== '' && !others.includes(one)).length;
    }
  }

  /** Prints the last lines, writes the report, and sets the exit code. */
  conclude() {
    const { results, flaky, passed } = this;
    const { lines, failed } = closingLines({ results, flaky, passed });
    mkdirSync(dirname(this.reportPath), { recursive: true });
    const checks = results.map(({ name, code, seconds, failures }) => ({ name, code, seconds, failures }));
    writeFileSync(this.reportPath, `${JSON.stringify({ passed, failed, flaky, checks }, null, 2)}\n`);
    console.log(lines.join('\n'));
    process.exitCode = failed > 0 ? 1 : 0;
  }
}

/** The outcome of a run by the lines of suite-reporter.js. */
function jestOutcome(lines, code) {
  const suites = lines.filter(({ file }) => file !== undefined);
  const passed = suites.reduce((sum, suite) => sum + suite.passed, 0);
  const failures = suites.flatMap(({ path, file, failures }) => failures.map((failure) => ({ path, file, ...failure })));
  const isComplete = lines.some((line) => line.isComplete);
  if (isComplete && (code === 0 || failures.length > 0)) return { passed, failures };
  // Suites that have not run are unknown, so they cannot run again.
  const text = isComplete
    ? `Jest failed without a failed test (exit code ${code})`
    : `Jest ended before its last suite (exit code ${code})`;
  return { passed, failures: [...failures, { file: 'Jest', title: '', text }], isFinal: true };
}

module.exports = { PATIENT, Checks };
