'use strict';
// V8's precise coverage, as counts of functions and of executed source bytes.

const { readFileSync } = require('node:fs');
const { fileURLToPath } = require('node:url');
const { join, relative, sep } = require('node:path');

const ROOT = join(__dirname, '..', '..');

/** `lib`, `sample-app`, the name of a package, or undefined for Node's own code and this tool. */
function ownerOf(url) {
  const path = url.startsWith('file:') ? fileURLToPath(url) : url;
  if (!path.startsWith(ROOT + sep)) return undefined;
  const parts = relative(ROOT, path).split(sep);
  const at = parts.lastIndexOf('node_modules');
  if (at !== -1) return parts[at + 1].startsWith('@') ? `${parts[at + 1]}/${parts[at + 2]}` : parts[at + 1];
  return parts[0] === 'dist' ? parts[1] : undefined;
}

/** The files of one report with their called functions, and the source ranges that ran at least `leastCount` times. */
function summarize(scripts, leastCount) {
  const rows = [];
  for (const { url, functions } of scripts) {
    const owner = ownerOf(url);
    if (owner === undefined) continue;
    const file = relative(ROOT, url.startsWith('file:') ? fileURLToPath(url) : url);
    const called = functions.filter(({ ranges }) => ranges[0].count > 0);
    if (called.length === 0) continue;
    rows.push({
      owner,
      file,
      functions: called.map(({ functionName, ranges }) => [`${functionName}@${ranges[0].startOffset}`, ranges[0].count]),
      executed: executedRanges(functions, leastCount),
    });
  }
  return rows;
}

/** The innermost range decides whether a byte ran. */
function executedRanges(functions, leastCount) {
  const ranges = functions.flatMap((each) => each.ranges).sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
  const executed = [];
  const open = [];
  let at = 0;
  const advance = (to) => {
    if (to > at && open.length > 0 && open[open.length - 1].count >= leastCount) executed.push([at, to]);
    at = Math.max(at, to);
  };
  for (const range of ranges) {
    while (open.length > 0 && open[open.length - 1].endOffset <= range.startOffset) {
      advance(open[open.length - 1].endOffset);
      open.pop();
    }
    advance(range.startOffset);
    open.push(range);
  }
  while (open.length > 0) {
    advance(open[open.length - 1].endOffset);
    open.pop();
  }
  return executed;
}

/** Source text without comments and indentation has few bytes to spare; comments do not count as executed. */
function bytesOf(file, ranges) {
  const source = sourceOf(file);
  return ranges.reduce((sum, [from, to]) => sum + source.slice(from, to).replace(/\/\*[^]*?\*\/|^\s+|\/\/[^\n]*$/gm, '').length, 0);
}

const sources = new Map();
function sourceOf(file) {
  if (!sources.has(file)) sources.set(file, readFileSync(join(ROOT, file), 'utf8'));
  return sources.get(file);
}

module.exports = { summarize, bytesOf };
