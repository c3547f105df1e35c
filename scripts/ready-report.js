'use strict';
// The results of `npm run ready`: passed and failed tests, and the names of failed checks.

const { readFileSync } = require('node:fs');
const { run, capture } = require('./process.js');

// The suites have real servers and time-outs: a compiler must not take their CPU time.
const PATIENT = { isPatient: true };
const total = { passed: 0, failed: 0 };
const failures = [];

async function timed(name, work) {
  const startedMs = Date.now();
  const { code, output = '' } = await work();
  console.error(
    `\n[ready] ${name}: ${code === 0 ? 'ok' : `FAILED (${code})`}, ${((Date.now() - startedMs) / 1000).toFixed(1)} s\n${output}`,
  );
  return { code, output };
}

function fail(name, count = 1) {
  total.failed += count;
  failures.push(name);
}

/** A check without tests. Its output is printed only when it fails. */
async function plain(name, [command, args], options) {
  const { code } = await timed(name, async () => {
    const { code, output } = await capture(command, args, options);
    return { code, output: code === 0 ? '' : output };
  });
  if (code !== 0) fail(name);
}

/** Adds Jest's JSON report. A suite that could not even load counts as one failure. */
function addJest(name, file) {
  let report;
  try {
    report = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return fail(`${name} (no report)`);
  }
  total.passed += report.numPassedTests;
  const failed = report.numFailedTests + report.numRuntimeErrorTestSuites;
  if (failed > 0 || !report.success) fail(name, Math.max(failed, 1));
}

/**
 * Runs Jest on this terminal.
 * @param {{ name: string, report: string, args?: string[], env?: NodeJS.ProcessEnv, node?: string,
 * command?: [string, string[], object?] }} check
 *   report: path of the JSON report; node: executable, default this one; command: default Jest
 */
async function jest({ name, report, args = [], env = {}, node = process.execPath, command = [node, ['node_modules/jest/bin/jest.js']] }) {
  console.error(`\n[ready] ${name}`);
  const [program, own, options] = command;
  const work = () => run(program, [...own, '--json', `--outputFile=${report}`, ...args], { ...options, env: { ...process.env, ...env } });
  const { code } = await timed(name, async () => ({ code: await work() }));
  // Interrupted.
  if (code >= 128) process.exit(code);
  addJest(name, report);
}

/** Runs Rust tests at low priority and adds their counts, one line of them per test binary. */
async function rustTests(name, [command, args], options = PATIENT) {
  const { code, output } = await timed(name, () => capture(command, args, options));
  const results = [...output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed/gm)];
  let failed = 0;
  for (const result of results) {
    total.passed += Number(result[1]);
    failed += Number(result[2]);
  }
  // Without a failed test it did not compile, or it crashed before its own count.
  if (failed > 0 || code !== 0) fail(name, Math.max(failed, 1));
}

/** Runs a script that ends with its own `N passed, N failed`, and adds that. */
async function counted(name, [command, args], options) {
  const { code, output } = await timed(name, () => capture(command, args, options));
  const [, passed = '0', failed = '0'] = [...output.matchAll(/^(\d+) passed, (\d+) failed$/gm)].at(-1) ?? [];
  total.passed += Number(passed);
  if (code !== 0 || failed !== '0') fail(name, Math.max(Number(failed), 1));
}

/** Prints the last lines, `N passed, N failed` among them, and sets the exit code. */
function conclude() {
  if (failures.length > 0) console.log(`\nfailed: ${failures.join(', ')}`);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

module.exports = { PATIENT, plain, jest, rustTests, counted, fail, conclude };
