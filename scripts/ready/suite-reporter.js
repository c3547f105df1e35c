'use strict';
/**
 * Jest reporter of `npm run ready`. Appends a line of JSON to the file `READY_RESULTS` for each
 * suite that ends, and one for the end of the run: a crash of Jest loses nothing.
 *
 * Kills the worker of a suite that runs longer than `READY_SUITE_LIMIT_MS`: a loop that never
 * returns cannot time out by itself, and would hold up the run forever. Jest reports the suite as
 * crashed and continues with another worker. Workers name their suite in the folder
 * `READY_WORKERS` (test/support/jest-environment.js).
 */

const { appendFileSync, readdirSync, readFileSync } = require('node:fs');
const { join, relative, sep } = require('node:path');
const { clearInterval, setInterval } = require('node:timers');

const { READY_RESULTS, READY_WORKERS, READY_SUITE_LIMIT_MS } = process.env;

/** How often the reporter looks for suites that run too long. */
const LOOK_EVERY_MS = 1_000;

function write(line) {
  appendFileSync(READY_RESULTS, `${JSON.stringify(line)}\n`);
}

/** Ids of the workers that run a suite. */
function workersOf(path) {
  return readdirSync(READY_WORKERS).filter((pid) => readFileSync(join(READY_WORKERS, pid), 'utf8') === path);
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Jest has already replaced a worker that exited.
  }
}

module.exports = class SuiteReporter {
  constructor({ rootDir }) {
    this.rootDir = rootDir;
    /** When each running suite was started, by its path. */
    this.running = new Map();
    this.killed = new Set();
  }

  onRunStart() {
    this.watch = setInterval(() => this.killHanging(), LOOK_EVERY_MS).unref();
  }

  onTestFileStart({ path }) {
    this.running.set(path, performance.now());
  }

  onTestFileResult({ path }, { testExecError, failureMessage, testResults, numPassingTests }) {
    this.running.delete(path);
    const failures = testResults
      .filter(({ status }) => status === 'failed')
      .map(({ ancestorTitles, title, failureMessages }) => ({ title: [...ancestorTitles, title].join(' › '), text: failureMessages[0] }));
    const hung = this.killed.has(path) && `killed after ${Number(READY_SUITE_LIMIT_MS) / 1_000} s without an end`;
    const error = hung || testExecError?.stack || testExecError?.message;
    if (error || (failureMessage && failures.length === 0)) failures.unshift({ title: '', text: error || failureMessage });
    write({ path, file: relative(this.rootDir, path).split(sep).join('/'), passed: numPassingTests, failures });
  }

  onRunComplete() {
    clearInterval(this.watch);
    write({ isComplete: true });
  }

  killHanging() {
    for (const [path, startedMs] of this.running) {
      if (performance.now() - startedMs < Number(READY_SUITE_LIMIT_MS)) continue;
      this.running.delete(path);
      this.killed.add(path);
      for (const pid of workersOf(path)) kill(Number(pid));
    }
  }
};
