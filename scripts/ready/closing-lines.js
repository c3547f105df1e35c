'use strict';
// The last lines of `npm run ready`: what was checked, what is flaky, and why the run failed.

const { stripVTControlCharacters } = require('node:util');

/** A log of CI shows the last 40 lines. */
const MOST_LINES = 40;
const MOST_FLAKY = 10;
const WIDTH = 160;
const MESSAGE_WIDTH = 320;

/** Title, message, and first line of the stack. */
const LINES_PER_FAILURE = 3;

const isStackLine = (line) => /^at .*(?::\d+|\))$/.test(line);

function shortened(text, width = WIDTH) {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text;
}

/** Words in as few lines as fit. */
function wrapped(first, words) {
  const lines = [first];
  for (const word of words) {
    if (lines.at(-1).length + word.length + 1 > WIDTH) lines.push(' ');
    lines[lines.length - 1] += ` ${word}`;
  }
  return lines;
}

function nameOf({ file, title, check }) {
  const name = title === '' ? file : `${file} › ${title}`;
  // The same suite can run on several engines and versions of Node.
  return file === check ? name : `${name} (${check})`;
}

/** The message in one line, and the first line of the stack in the project's own files. */
function reasonOf({ text = '' }) {
  const lines = stripVTControlCharacters(text)
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  const message = lines.filter((line) => !isStackLine(line));
  const stack = lines.filter(isStackLine);
  const at = stack.find((line) => !/node_modules|node:|<anonymous>\)$/.test(line)) ?? stack[0];
  const firstStack = lines.findIndex(isStackLine);
  const before = firstStack > 0 ? lines.slice(0, firstStack) : message;
  return [before.slice(0, 6).join(' | '), at].filter(Boolean).map((line) => `    ${shortened(line, MESSAGE_WIDTH)}`);
}

/**
 * @typedef {import('./checks.js')} Checks
 * @param {{ results: Checks.Result[], flaky: Checks.Failure[], passed: number }} run
 * @returns {{ lines: string[], failed: number }}
 */
function closingLines({ results, flaky, passed }) {
  const failures = results.flatMap((result) => result.failures.map((failure) => ({ ...failure, check: result.name })));
  const times = results.map(({ name, seconds, failures: { length } }) => `${name} ${Math.round(seconds)} s${length > 0 ? ' FAILED' : ''},`);
  const tooFlaky = flaky.length > MOST_FLAKY;
  const failedChecks = [...new Set(failures.map(({ check }) => check)), ...(tooFlaky ? [`more than ${MOST_FLAKY} flaky tests`] : [])];
  const failed = failures.length + (tooFlaky ? 1 : 0);

  const head = ['', ...wrapped('checks:', times)];
  const shownFlaky = flaky.slice(0, MOST_FLAKY).map((one) => shortened(`flaky: ${nameOf(one)}`));
  if (tooFlaky) shownFlaky.push(`flaky: ${flaky.length - MOST_FLAKY} more, in reports/ready.json`);
  const end = [...(failedChecks.length > 0 ? wrapped('failed:', [failedChecks.join(', ')]) : []), `${passed} passed, ${failed} failed`];
  const left = MOST_LINES - head.length - shownFlaky.length - end.length - 1;
  const most = Math.max(1, Math.floor(left / LINES_PER_FAILURE));
  const shown = failures.slice(0, most).flatMap((one) => [shortened(`FAILED: ${nameOf(one)}`), ...reasonOf(one)]);
  if (failures.length > most) shown.push(`FAILED: ${failures.length - most} more, in reports/ready.json`);
  return { lines: [...head, ...shownFlaky, ...shown, ...end], failed };
}

module.exports = { closingLines };
